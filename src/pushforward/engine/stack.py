"""Replicas trained as one: K families that differ in numbers alone, their tensors stacked, each a view of the stack."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from pushforward.engine.contract import Trainable
from pushforward.engine.players import TOTAL, Player
from pushforward.engine.stack_structure import tuned
from pushforward.engine.stacked_optimizer import StackedOptimizer
from pushforward.engine.stepper import Stepper
from pushforward.engine.traced_replay import TracedFunction
from pushforward.networks.blocks import frozen_statistics
from pushforward.seeds import generator
from pushforward.spec import BLOCK, Batch, Block

Given = dict[str, Tensor]


class Stack:
    """K families trained as one, by their steppers, which have the same structure (`structure.difference`) and progress.

    Parameters, float buffers, optimiser states and averages are stacked, and the families' own become views of the
    stacks: each is evaluated and saved as if it were trained alone. `families` is their order: replicas of one tuning
    stand side by side and share an optimiser group.
    """

    def __init__(self, steppers: Sequence[Stepper]) -> None:
        self.steppers = sorted(
            steppers, key=lambda s: [tuned(s.family.tunings[player.name]) for player in s.family.players]
        )
        self.families: list[Trainable] = [stepper.family for stepper in self.steppers]
        self.base = self.families[0]
        players = [player.name for player in self.base.players]
        with torch.no_grad():
            self.parameters = self._stack_parameters()
            self.buffers, self.shared = self._stack_buffers()
            self.averages = {name: self._stack_average(name) for name in self.steppers[0].averages}
        self.keys = {name: list(self.steppers[0].owned[name]) for name in players}
        self.own = {name: [self.parameters[key] for key in self.keys[name]] for name in players}
        self.optimizers = {
            name: StackedOptimizer(name, self.families, self.steppers, own) for name, own in self.own.items()
        }
        self.given = {name: self._split(name) for name in players}
        self.terms: dict[str, list[str]] = {}
        self.pending: dict[str, list[Tensor]] = {}
        self.since = dict(self.base.progress.steps)
        self.gradients = {
            name: TracedFunction(vmap(grad_and_value(partial(self._loss, name), has_aux=True), in_dims=(0, 0, 0, 0)))
            for name in players
        }
        self.judge: Callable[..., dict[str, Tensor]] = vmap(self._judged, in_dims=(0, 0, None, 0))

    def __len__(self) -> int:
        return len(self.families)

    # Stacks, and the families' views of them ---------------------------------------------------------------------------

    def _stack_parameters(self) -> Given:
        each, stacks = [dict(family.named_parameters()) for family in self.families], {}
        for name, parameter in each[0].items():
            stack = torch.stack([own[name].detach() for own in each])
            for k, own in enumerate(each):
                own[name].data = stack[k]
            stacks[name] = stack.requires_grad_(parameter.requires_grad)
        return stacks

    def _stack_buffers(self) -> tuple[Given, Given]:
        """Stacked ones; and those that are no floats and the same in all, of which one serves all."""
        each, stacks, shared = [dict(family.named_buffers()) for family in self.families], {}, {}
        for name, buffer in each[0].items():
            if not buffer.is_floating_point() and all(torch.equal(buffer, own[name]) for own in each[1:]):
                shared[name] = buffer
                continue
            stacks[name] = torch.stack([own[name] for own in each])
            for k, family in enumerate(self.families):
                for module in family.modules():
                    for key, value in module._buffers.items():
                        if value is each[k][name]:
                            module._buffers[key] = stacks[name][k]
        return stacks, shared

    def _stack_average(self, player: str) -> list[Tensor]:
        each = [stepper.averages[player] for stepper in self.steppers]
        stacks = [torch.stack(same) for same in zip(*each, strict=True)]
        for k, own in enumerate(each):
            own[:] = [stack[k] for stack in stacks]
        return stacks

    def hand_back(self) -> None:
        """Gives the families' optimisers their views of the stacked states, for them to be saved."""
        for optimizer in self.optimizers.values():
            optimizer.hand_back()

    # Steps -------------------------------------------------------------------------------------------------------------

    def _loss(self, player: str, own: Given, others: Given, batch: Batch, noise: Given) -> Any:
        """One replica's total, means of its terms, and stats; `own` are the parameters it is differentiated by."""
        found = functional_call(self.base, {**own, **others, **self.shared}, (player, batch, noise))
        terms = {**found.terms, TOTAL: found.total}
        self.terms[player] = list(terms)
        return found.total, (torch.stack([term.float().mean() for term in terms.values()]), found.stats)

    def _judged(self, parameters: Given, buffers: Given, batch: Batch, noise: Given) -> Given:
        """One replica's validation terms, averaged over the batch."""
        player = self.base.players[0].name
        loss = functional_call(self.base, {**parameters, **buffers, **self.shared}, (player, batch, noise))
        return {name: value.double().mean() for name, value in self.base.judged(loss).items()}

    def block(self, block: Block) -> None:
        """Trains on one block, whose tensors are (m, K, n, …): what `Stepper.block` does for one family."""
        base, progress = self.base, self.base.progress
        batches, n = block.batch.unbind(), block.batch.x.shape[2]
        noises = {player.name: self.noise(player, n, block.index) for player in base.players}
        rows: dict[str, list[Tensor]] = {player.name: [] for player in base.players}
        position, batch = 0, None
        for cycle in range(len(batches) // base.batches_per_cycle):
            for player in base.players:
                for repeat in range(player.steps):
                    if player.sees_data or batch is None:
                        epochs = progress.images_seen / base.spec.n_train  # before the batch, as in `Stepper.block`
                        batch = batches[position]
                    if player.sees_data:
                        position += 1
                        progress.images_seen += n
                    step = cycle * player.steps + repeat
                    noise = {key: value[step] for key, value in noises[player.name].items()}
                    rows[player.name].append(self.step(player, batch, noise, epochs))
            progress.cycles += 1
        for name, player_rows in rows.items():
            self.pending.setdefault(name, []).append(torch.stack(player_rows))
        for family in self.families[1:]:
            family.progress.images_seen, family.progress.cycles = progress.images_seen, progress.cycles
            family.progress.steps = dict(progress.steps)

    def noise(self, player: Player, n: int, block: int) -> Given:
        """Every replica's own noise for a block: (steps, K, n, …)."""
        each = [
            f.draw(player.name, BLOCK * player.steps * n, generator(f.device, f.seed, "noise", player.name, block))
            for f in self.families
        ]
        return {key: torch.stack([own[key].view(-1, n, *own[key].shape[1:]) for own in each], 1) for key in each[0]}

    def step(self, player: Player, batch: Batch, noise: Given, epochs: float) -> Tensor:
        """One optimiser step of one player of every replica. Returns the means of its terms, (K, terms)."""
        base, name = self.base, player.name
        done = base.progress.steps.get(name, 0)
        self.buffers["epochs"].fill_(epochs)
        own, others = self.given[name]
        with frozen_statistics(self.steppers[0].others[name]):
            found, (_, (terms, stats)) = self.gradients[name](own, others, batch, noise)
        # as optimisers want them: in the layout of what they are gradients of
        grads = [g if g.stride() == own[key].stride() else g.contiguous() for key, g in found.items()]
        self.optimizers[name].step(grads, epochs)
        if stats:
            for k, family in enumerate(self.families):
                family.absorb(name, {key: value[k] for key, value in stats.items()})
        if name in self.averages:
            self.average(name, done)
        base.progress.steps[name] = done + 1
        return terms

    def _split(self, player: str) -> tuple[Given, Given]:
        """The parameters that a player's step moves; all other parameters and buffers."""
        own = {key: self.parameters[key].detach() for key in self.keys[player]}
        return own, {**{key: p.detach() for key, p in self.parameters.items() if key not in own}, **self.buffers}

    def average(self, player: str, done: int) -> None:
        """Moves each replica's average towards its weights, by its own decay."""
        rates = [1 - min(family.tunings[player].ema or 0.0, (1 + done) / (10 + done)) for family in self.families]
        with torch.no_grad():
            if len(set(rates)) == 1:
                torch._foreach_lerp_(self.averages[player], self.own[player], rates[0])
                return
            for mean, stack in zip(self.averages[player], self.own[player], strict=True):
                mean.lerp_(stack, stack.new_tensor(rates).view(-1, *[1] * (stack.ndim - 1)))

    def swap(self) -> None:
        """Weights and their averages change places."""
        with torch.no_grad():
            for player, averages in self.averages.items():
                for stack, mean in zip(self.own[player], averages, strict=True):
                    raw = stack.detach().clone()
                    stack.copy_(mean)
                    mean.copy_(raw)

    # What it tells -----------------------------------------------------------------------------------------------------

    def take(self) -> list[tuple[dict[str, float], tuple[str, int] | None]]:
        """For each replica what `History.take` gives: means of the pending steps' terms, the first that is not finite."""
        means: list[dict[str, float]] = [{} for _ in self.families]
        bad: list[tuple[str, int] | None] = [None] * len(self)
        for player, parts in self.pending.items():
            values = torch.cat(parts)  # (steps, K, terms)
            for k, row in enumerate(values.mean(0).tolist()):
                terms = zip(self.terms[player], row, strict=True)
                means[k].update({f"{player}/{name}": v for name, v in terms if name != TOTAL})
            for step, k, term in (~values.isfinite()).nonzero().tolist():
                found = (f"{player}/{self.terms[player][term]}", self.since.get(player, 0) + step)
                known = bad[k]
                if known is None or found[1] < known[1]:
                    bad[k] = found
        self.pending, self.since = {}, dict(self.base.progress.steps)
        for optimizer in self.optimizers.values():
            optimizer.tell_rates()
        return list(zip(means, bad, strict=True))

    def spoilt(self) -> dict[str, list[bool]]:
        """For each player and replica whether its weights are not finite."""
        found = {}
        for name, own in self.own.items():
            flat = [stack.detach().flatten(1) for stack in own]
            # a finite sum has finite parts, and costs least to ask for; one that is not may have overflowed
            sound = torch.stack([part.sum(1, dtype=torch.float32) for part in flat]).sum(0).isfinite()
            if not bool(sound.all()):
                sound = torch.stack([part.isfinite().all(1) for part in flat]).all(0)
            found[name] = (~sound).tolist()
        return found
