"""The contract of engine and families: players, all randomness of a step as tensors, and a loss that is a function of them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from pushforward.engine.players import Player, Tuning
from pushforward.seeds import generator
from pushforward.spec import Batch, DataSpec

Noise = dict[str, Tensor]


class Loss(NamedTuple):
    """The loss that one player minimises, and the values that are reported of it.

    total: the scalar that is differentiated, or a surrogate with the gradient wanted.
    terms: the unweighted terms, (n,) per image, or () where a term couples the batch; never the surrogate.
    stats: what `absorb` wants to know after the step, each a mean over the batch: parts and processes are averaged.
    """

    total: Tensor
    terms: dict[str, Tensor]
    stats: dict[str, Tensor] = {}  # noqa: RUF012 - NamedTuple default, never written to


@dataclass
class Progress:
    """Counters of a run: real images shown to any player, cycles of all players, optimiser steps of each."""

    images_seen: int = 0
    cycles: int = 0
    steps: dict[str, int] = field(default_factory=dict)


class Trainable(nn.Module, ABC):
    """A module whose players are trained by a `Stepper`, alone, or stacked with others of its structure. Abstract.

    It is a class and no Protocol: the engine needs a module's parameters and buffers too, which a Protocol cannot ask for.
    """

    players: tuple[Player, ...]
    stackable: ClassVar[bool | str] = True
    """True, or the reason why replicas cannot be trained as one."""
    seed: int = 0
    horizon: float = 1.0
    """Epochs in the run's budget: where a schedule without an end of its own ends."""
    spec: DataSpec
    tunings: dict[str, Tuning]
    progress: Progress
    epochs: Tensor
    """Epochs seen, (): a buffer, so that schedules are functions of a tensor."""

    @abstractmethod
    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        """All randomness of `n` images' step, each tensor with leading n."""

    @abstractmethod
    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        """The loss that `player` minimises: a deterministic function of parameters, buffers, batch and noise.

        Its operations may be recorded and replayed: what Python decides in it, it decides once.
        """

    @abstractmethod
    def judged(self, loss: Loss) -> dict[str, Tensor]:
        """A loss on held-out data as validation's terms."""

    def validation_terms(self, batch: Batch, position: int) -> dict[str, Tensor]:
        """The first player's terms on held-out data, (n,) or (), with noise fixed by the batch's position.

        `criterion` is among them where the family has one.
        """
        player = self.players[0].name
        noise = self.draw(player, len(batch.x), generator(self.device, self.seed, "validation", position))
        return self.judged(self.loss(player, batch, noise))

    def initialize(self, player: str, batch: Batch, noise: Noise) -> None:
        """Set parameters by data, in place, before the player's first step: once a run, by that step's batch and noise.

        They are those of all processes together, so that each sets the same.
        """

    def absorb(self, player: str, stats: dict[str, Tensor]) -> None:
        """Take in what a step learned beside gradients: in-place writes to the player's own buffers, after its step."""

    def forward(self, player: str, batch: Batch, noise: Noise) -> Loss:
        """`loss`, where `torch.func.functional_call` finds it."""
        return self.loss(player, batch, noise)

    @property
    def device(self) -> torch.device:
        """The device of its tensors."""
        return self.epochs.device

    @property
    def batches_per_cycle(self) -> int:
        """Fresh batches that a cycle of all players draws from the data."""
        return sum(player.steps for player in self.players if player.sees_data)

    def modules_of(self, player: Player) -> list[nn.Module]:
        return [self.get_submodule(name) for name in player.modules]

    def parameters_of(self, player: Player) -> dict[str, nn.Parameter]:
        """Return the player's trained parameters under their full names."""
        return {
            f"{name}.{key}" if key else name: parameter
            for name in player.modules
            for key, parameter in self.get_submodule(name).named_parameters()
            if parameter.requires_grad
        }
