"""The history of training: every step's terms, kept on the device until they are read."""

import math
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from pushforward.engine.players import TOTAL
from pushforward.parallel import world


class Means(NamedTuple):
    """Means of the terms of a family's last steps, as `player/term`, and the first of these that was not finite.

    spoilt: (player/term, that player's step). The total is watched like the terms and is not among the means: it may be
    a surrogate.
    """

    terms: dict[str, float]
    spoilt: tuple[str, int] | None


class History:
    """The terms and the total of every step since they were last taken, of each of so many replicas."""

    def __init__(self, replicas: int = 1) -> None:
        self.replicas = replicas
        self.names: dict[str, list[str]] = {}
        self.pending: dict[str, list[tuple[int, Tensor]]] = {}

    def add(self, player: str, names: list[str], first_step: int, values: Tensor) -> None:
        """values: of the player's steps from `first_step` on, (steps, replicas, terms)."""
        self.names[player] = names
        self.pending.setdefault(player, []).append((first_step, values))

    def columns(self) -> dict[str, Tensor]:
        """Every pending step's terms, `player/term` -> (steps, replicas), averaged over processes."""
        columns = {}
        for player, parts in self.pending.items():
            values = torch.cat([part for _, part in parts])
            if world()[1] > 1:
                dist.all_reduce(values)
                values = values / world()[1]
            columns.update({f"{player}/{name}": values[:, :, i] for i, name in enumerate(self.names[player])})
        return columns

    def steps(self) -> dict[str, Tensor]:
        """`columns` of the first replica, (steps,)."""
        return {name: column[:, 0] for name, column in self.columns().items()}

    def take(self) -> list[Means]:
        """For each replica the means of the pending steps, which are pending no more."""
        columns = self.columns()
        first = {player: parts[0][0] for player, parts in self.pending.items()}
        self.pending = {}
        if not columns:
            return [Means({}, None)] * self.replicas
        found = []
        for k, row in enumerate(torch.stack([column.mean(0) for column in columns.values()], 1).tolist()):
            named = dict(zip(columns, row, strict=True))
            # what is not finite spoils its mean, so that the steps need be looked at only then; a sum may overflow alone
            bad = [
                (first[name.split("/")[0]] + int(where[0]), name)
                for name, column in columns.items()
                if not math.isfinite(named[name]) and len(where := (~column[:, k].isfinite()).nonzero())
            ]
            step, name = min(bad, key=lambda found: found[0], default=(0, ""))
            terms = {name: mean for name, mean in named.items() if not name.endswith(f"/{TOTAL}")}
            found.append(Means(terms, (name, step) if bad else None))
        return found
