"""One block of training: each player's batches, noise, gradient, step and average; nothing waits for the device."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from pushforward.engine.contract import Trainable
from pushforward.engine.cuda_graph import GraphedStep
from pushforward.engine.player_step import PlayerStep
from pushforward.engine.players import TOTAL, Player
from pushforward.networks.blocks import BatchNorm
from pushforward.parallel import world
from pushforward.seeds import generator
from pushforward.spec import BLOCK, Batch, Block


class History:
    """The terms and the total of every step since it was last asked, kept on the device."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.pending: dict[str, list[tuple[int, Tensor]]] = {}

    def add(self, player: str, names: list[str], first_step: int, rows: list[list[Tensor]]) -> None:
        """rows: of each step its terms, (n,) or ()."""
        self.names[player] = names
        columns = [torch.stack(column).float() for column in zip(*rows, strict=True)]
        means = [column.mean(1) if column.ndim == 2 else column for column in columns]
        self.pending.setdefault(player, []).append((first_step, torch.stack(means, 1)))

    def steps(self) -> dict[str, Tensor]:
        """Every pending step's terms, `player/term` -> (steps,), averaged over processes."""
        columns = {}
        for player, parts in self.pending.items():
            matrix = torch.cat([part for _, part in parts])
            if world()[1] > 1:
                dist.all_reduce(matrix)
                matrix = matrix / world()[1]
            columns.update({f"{player}/{name}": matrix[:, i] for i, name in enumerate(self.names[player])})
        return columns

    def take(self) -> tuple[dict[str, float], tuple[str, int] | None]:
        """Means of the pending steps' terms, and the first that was not finite as (player/term, that player's step).

        The total is watched like the terms and is not among the means: it may be a surrogate.
        """
        columns = self.steps()
        first_steps = {player: parts[0][0] for player, parts in self.pending.items()}
        self.pending = {}
        if not columns:
            return {}, None
        names = list(columns)
        means = dict(zip(names, torch.stack([column.mean() for column in columns.values()]).tolist(), strict=True))
        # what is not finite spoils its mean, so that the steps need be looked at only then; a sum may overflow alone
        bad = [
            (first_steps[name.split("/")[0]] + int(where[0]), name)
            for name, column in columns.items()
            if not math.isfinite(means[name]) and len(where := (~column.isfinite()).nonzero())
        ]
        reported = {name: mean for name, mean in means.items() if not name.endswith(f"/{TOTAL}")}
        if not bad:
            return reported, None
        step, name = min(bad, key=lambda found: found[0])
        return reported, (name, step)


class Stepper:
    """The optimisers, averages and counters of a family's players."""

    def __init__(self, family: Trainable) -> None:
        self.family = family
        self.history = History()
        self.owned = {player.name: family.parameters_of(player) for player in family.players}
        self.parameters = {name: list(owned.values()) for name, owned in self.owned.items()}
        self.optimizers = {
            player.name: family.tunings[player.name].rule(
                self.parameters[player.name], lr=family.tunings[player.name].lr
            )
            for player in family.players
        }
        self.averages = {
            name: [p.detach().clone() for p in self.parameters[name]]
            for name, tuning in family.tunings.items()
            if tuning.ema is not None
        }
        self.norms = {
            player.name: [m for part in family.modules_of(player) for m in part.modules() if isinstance(m, BatchNorm)]
            for player in family.players
        }
        self.others = {
            name: [norm for player, norms in self.norms.items() if player != name for norm in norms]
            for name in self.norms
        }

        self.player_steps: dict[str, PlayerStep | GraphedStep] = {
            player.name: PlayerStep(
                family, player, self.parameters[player.name], self.optimizers[player.name], self.others[player.name]
            )
            for player in family.players
        }

    def block(self, block: Block) -> None:
        """Train on one block: its batches in order, each player's noise drawn once for the whole of it."""
        family, progress = self.family, self.family.progress
        rank, size = world()
        batches, n = block.batch.unbind(), block.batch.x.shape[1]
        noises = {
            player.name: family.draw(
                player.name,
                BLOCK * player.steps * n * size,
                generator(family.device, family.seed, "noise", player.name, block.index),
            )
            for player in family.players
        }
        local = {
            player.name: split(noises[player.name], BLOCK * player.steps, rank, size, n) for player in family.players
        }
        rows: dict[str, list[list[Tensor]]] = {player.name: [] for player in family.players}
        names: dict[str, list[str]] = {}
        first = {player.name: progress.steps.get(player.name, 0) for player in family.players}
        position, batch = 0, None
        for cycle in range(len(batches) // family.batches_per_cycle):
            for player in family.players:
                for repeat in range(player.steps):
                    if player.sees_data or batch is None:
                        # counted before the batch: the first step is at 0, and none is at the budget's end
                        epochs = progress.images_seen / family.spec.n_train
                        batch = batches[position]
                    if player.sees_data:
                        position += 1
                        progress.images_seen += n * size
                    terms = self.step(player, batch, local[player.name][cycle * player.steps + repeat], epochs)
                    names[player.name] = list(terms)
                    rows[player.name].append([term.detach() for term in terms.values()])
            progress.cycles += 1
        for name, player_rows in rows.items():
            self.history.add(name, names[name], first[name], player_rows)

    def step(self, player: Player, batch: Batch, noise: dict[str, Tensor], epochs: float) -> dict[str, Tensor]:
        """One optimiser step of one player, `epochs` into the run; its loss reaches its own parameters only."""
        family, name = self.family, player.name
        tuning, progress = family.tunings[name], family.progress
        family.epochs.fill_(epochs)
        if tuning.schedule is not None:
            factor = float(tuning.schedule(torch.tensor(epochs, dtype=torch.float64), family.horizon))
            for group in self.optimizers[name].param_groups:
                if isinstance(group["lr"], Tensor):  # where a CUDA graph reads it
                    group["lr"].fill_(tuning.lr * factor)
                else:
                    group["lr"] = tuning.lr * factor
        terms, stats = self.player_steps[name](batch, noise)
        family.absorb(name, stats)
        if tuning.ema is not None:
            steps = progress.steps.get(name, 0)
            decay = min(tuning.ema, (1 + steps) / (10 + steps))  # short runs should forget where they began
            with torch.no_grad():  # else every step would be kept, to be differentiated
                torch._foreach_lerp_(self.averages[name], list[Tensor](self.parameters[name]), 1 - decay)
        progress.steps[name] = progress.steps.get(name, 0) + 1
        return terms

    @contextmanager
    def averaged(self) -> Iterator[bool]:
        """Within it, the players that have a moving average show it; yields whether any has."""
        self.swap()
        try:
            yield bool(self.averages)
        finally:
            self.swap()

    def swap(self) -> None:
        with torch.no_grad():
            for name, average in self.averages.items():
                for parameter, mean in zip(self.parameters[name], average, strict=True):
                    raw = parameter.detach().clone()
                    parameter.copy_(mean)
                    mean.copy_(raw)

    def average_dict(self) -> dict[str, Tensor]:
        """The moving averages under their parameters' names."""
        return {
            key: mean
            for name, average in self.averages.items()
            for key, mean in zip(self.owned[name], average, strict=True)
        }

    def state_dict(self) -> dict[str, Any]:
        progress = self.family.progress
        return {
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "ema": self.average_dict(),
            "progress": {
                "images_seen": progress.images_seen,
                "cycles": progress.cycles,
                "steps": dict(progress.steps),
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
            for parameter, own in optimizer.state.items():  # a run may go on in another memory format
                for key, value in own.items():
                    if isinstance(value, Tensor) and value.shape == parameter.shape != ():
                        own[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        with torch.no_grad():
            for key, mean in self.average_dict().items():
                mean.copy_(state["ema"][key])
        progress = self.family.progress
        progress.images_seen, progress.cycles = state["progress"]["images_seen"], state["progress"]["cycles"]
        progress.steps = dict(state["progress"]["steps"])


def split(noise: dict[str, Tensor], steps: int, rank: int, size: int, n: int) -> list[dict[str, Tensor]]:
    """A block's noise as each step's, of this rank's slice."""
    parts = [v.view(steps, size, n, *v.shape[1:])[:, rank].unbind() for v in noise.values()]
    return [dict(zip(noise, step, strict=True)) for step in zip(*parts, strict=True)] if parts else [{}] * steps
