"""Training by blocks, the same for one family and for a stack of replicas: order, counters, noise, averages, terms."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from pushforward.engine.contract import Noise, Trainable
from pushforward.engine.history import History
from pushforward.engine.players import Player
from pushforward.parallel import gather_batch, world
from pushforward.seeds import generator
from pushforward.spec import BLOCK, Batch, Block


class Engine(ABC):
    """Families trained block by block: one by a `Stepper`, replicas of one structure by a `Stack`. Abstract.

    Hooks: `shares`, `step`, `means`, `joined`, `judge` and `hand_back`.

    families: the replicas, in the order of the axis of size K in which all that is stacked has them.
    parameters, averages: each player's parameters and, where it has them, their moving averages, in the same order.
    terms: each player's terms, by name, in the order of its steps' values.
    """

    axis: int
    """The axis of a block's tensors that counts a batch's images."""

    def __init__(self, families: Sequence[Trainable]) -> None:
        self.families = list(families)
        self.parameters: dict[str, list[Tensor]] = {}
        self.averages: dict[str, list[Tensor]] = {}
        self.terms: dict[str, list[str]] = {}
        self.history = History(len(self.families))

    @abstractmethod
    def shares(self, batch: Batch, noise: Noise) -> Iterable[tuple[Batch, Noise]]:
        """Each family's part of a step's batch and noise."""

    @abstractmethod
    def step(self, player: Player, batch: Batch, noise: Noise, epochs: float) -> list[Tensor]:
        """Takes one optimiser step of one player, `epochs` into the run. Return the values of its terms, for `means`."""

    @abstractmethod
    def means(self, steps: list[list[Tensor]]) -> Tensor:
        """The values of steps, averaged over their batches, (steps, K, terms)."""

    @abstractmethod
    def joined(self, each: list[Tensor]) -> Tensor:
        """Each family's part of the steps of a block, (steps, n, …), as one tensor from which `step` takes its part."""

    @abstractmethod
    def judge(self, batch: Batch, position: int) -> dict[str, Tensor]:
        """Each family's validation terms on held-out data, averaged over the batch, float64, (K,)."""

    @abstractmethod
    def hand_back(self) -> None:
        """Gives the families' own steppers what they need to be saved."""

    def block(self, block: Block) -> None:
        """Trains on one block: its batches in order, each player's noise drawn once for the whole of it."""
        base, size = self.families[0], world()[1]
        progress, n = base.progress, block.batch.x.shape[self.axis]
        noises = {player.name: self.noise(player, n, block.index) for player in base.players}
        values: dict[str, list[list[Tensor]]] = {player.name: [] for player in base.players}
        first = {player.name: progress.steps.get(player.name, 0) for player in base.players}
        batches = block.batch.unbind()
        position, batch = 0, None
        for cycle in range(len(batches) // base.batches_per_cycle):
            for player in base.players:
                for repeat in range(player.steps):
                    if player.sees_data or batch is None:
                        # counted before the batch: the first step is at 0, and none is at the budget's end
                        epochs = progress.images_seen / base.spec.n_train
                        batch = batches[position]
                    if player.sees_data:
                        position += 1
                        progress.images_seen += n * size
                    noise = noises[player.name][cycle * player.steps + repeat]
                    if not progress.steps.get(player.name):
                        self.initialize(player.name, batch, noise)
                    values[player.name].append(self.step(player, batch, noise, epochs))
            progress.cycles += 1
        for name, steps in values.items():
            self.history.add(name, self.terms[name], first[name], self.means(steps))
        for family in self.families[1:]:
            family.progress.images_seen, family.progress.cycles = progress.images_seen, progress.cycles
            family.progress.steps = dict(progress.steps)

    @torch.no_grad()
    def initialize(self, player: str, batch: Batch, noise: Noise) -> None:
        """Lets each family set parameters by the player's first batch, of all processes; averages begin at what was set."""
        for family, (own, drawn) in zip(self.families, self.shares(batch, noise), strict=True):
            family.initialize(player, own.map(gather_batch), {key: gather_batch(value) for key, value in drawn.items()})
        if player in self.averages:
            torch._foreach_copy_(self.averages[player], self.parameters[player])

    def noise(self, player: Player, n: int, block: int) -> list[Noise]:
        """Each step's noise of a block, of this process's slice of the batch."""
        rank, size = world()
        steps = BLOCK * player.steps
        each = [
            f.draw(player.name, steps * n * size, generator(f.device, f.seed, "noise", player.name, block))
            for f in self.families
        ]
        parts = [
            self.joined([own[key].view(steps, size, n, *own[key].shape[1:])[:, rank] for own in each]).unbind()
            for key in each[0]
        ]
        return [dict(zip(each[0], step, strict=True)) for step in zip(*parts, strict=True)] if parts else [{}] * steps

    def swap(self) -> None:
        """Weights and their averages change places."""
        with torch.no_grad():
            for name, averages in self.averages.items():
                for parameter, mean in zip(self.parameters[name], averages, strict=True):
                    raw = parameter.detach().clone()
                    parameter.copy_(mean)
                    mean.copy_(raw)

    def spoilt(self) -> list[str | None]:
        """For each family the first player whose weights are not finite."""
        found: list[str | None] = [None] * len(self.families)
        for name, own in self.parameters.items():
            flat = [parameter.detach().reshape(len(found), -1) for parameter in own]
            # a finite sum has finite parts, and costs least to ask for; one that is not may have overflowed
            sound = torch.stack([part.sum(1, dtype=torch.float32) for part in flat]).sum(0).isfinite()
            if not bool(sound.all()):
                sound = torch.stack([part.isfinite().all(1) for part in flat]).all(0)
                found = [known or (None if good else name) for known, good in zip(found, sound.tolist(), strict=True)]
        return found


def average_rate(decay: float, done: int) -> float:
    """The rate of a moving average after so many steps: short runs should forget where they began."""
    return 1 - min(decay, (1 + done) / (10 + done))
