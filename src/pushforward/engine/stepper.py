"""One family trained by blocks: its players' optimisers, steps and averages; nothing waits for the device."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from pushforward.engine.contract import Noise, Trainable
from pushforward.engine.engine import Engine, average_rate
from pushforward.engine.player_step import PlayerStep
from pushforward.engine.players import Player
from pushforward.networks.blocks import BatchNorm
from pushforward.spec import Batch


class Stepper(Engine):
    """The engine of one family: the optimisers, averages and counters of its players."""

    axis = 1

    def __init__(self, family: Trainable) -> None:
        super().__init__([family])
        self.family = family
        self.differentiates = False
        """The family's loss takes gradients of its own, which inference mode forbids."""
        self.owned = {player.name: family.parameters_of(player) for player in family.players}
        self.parameters = {name: list[Tensor](owned.values()) for name, owned in self.owned.items()}
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
        norms = {
            player.name: [m for part in family.modules_of(player) for m in part.modules() if isinstance(m, BatchNorm)]
            for player in family.players
        }
        self.others = {
            name: [norm for player, own in norms.items() if player != name for norm in own] for name in norms
        }
        self.player_steps: dict[str, PlayerStep] = {
            player.name: PlayerStep(
                family, player, self.parameters[player.name], self.optimizers[player.name], self.others[player.name]
            )
            for player in family.players
        }

    def shares(self, batch: Batch, noise: Noise) -> Iterable[tuple[Batch, Noise]]:
        return [(batch, noise)]

    def step(self, player: Player, batch: Batch, noise: Noise, epochs: float) -> list[Tensor]:
        """Takes one optimiser step of one player, `epochs` into the run; its loss reaches its own parameters only.

        Return the values of its terms, (n,) or ().
        """
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
        done = progress.steps.get(name, 0)
        if tuning.ema is not None:
            with torch.no_grad():  # else every step would be kept, to be differentiated
                torch._foreach_lerp_(self.averages[name], self.parameters[name], average_rate(tuning.ema, done))
        progress.steps[name] = done + 1
        self.terms[name] = list(terms)
        return [term.detach() for term in terms.values()]

    def means(self, steps: list[list[Tensor]]) -> Tensor:
        columns = [torch.stack(column).float() for column in zip(*steps, strict=True)]
        return torch.stack([column.mean(1) if column.ndim == 2 else column for column in columns], 1).unsqueeze(1)

    def joined(self, each: list[Tensor]) -> Tensor:
        return each[0]

    def judge(self, batch: Batch, position: int) -> dict[str, Tensor]:
        terms = self._judged(batch, position)
        return {name: value.double().mean().view(1) for name, value in terms.items()}

    def _judged(self, batch: Batch, position: int) -> dict[str, Tensor]:
        if not self.differentiates:
            try:
                with torch.inference_mode():
                    return self.family.validation_terms(batch, position)
            except RuntimeError:  # said again below, if it is about anything else
                self.differentiates = True
        return self.family.validation_terms(batch, position)

    def hand_back(self) -> None:
        """Nothing: all is its own already."""

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
            for parameter, own in optimizer.state.items():  # a run may resume in another memory format
                for key, value in own.items():
                    if isinstance(value, Tensor) and value.shape == parameter.shape != ():
                        own[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        with torch.no_grad():
            for key, mean in self.average_dict().items():
                mean.copy_(state["ema"][key])
        progress = self.family.progress
        progress.images_seen, progress.cycles = state["progress"]["images_seen"], state["progress"]["cycles"]
        progress.steps = dict(state["progress"]["steps"])
