"""Replicas trained as one: K families that differ in numbers alone, their tensors stacked, each a view of the stack."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from pushforward.engine.engine import Engine, average_rate
from pushforward.engine.players import TOTAL, Player
from pushforward.engine.stack_structure import tuned
from pushforward.engine.stacked_optimizer import StackedOptimizer
from pushforward.engine.stepper import Stepper
from pushforward.engine.traced_replay import TracedFunction
from pushforward.networks.blocks import frozen_statistics
from pushforward.seeds import generator
from pushforward.spec import Batch

Given = dict[str, Tensor]


class Stack(Engine):
    """The engine of K families that are trained as one, by their steppers.

    They have the same structure (`stack_structure.difference`) and have come equally far.
    Parameters, float buffers, optimiser states and averages are stacked, and the families' own become views of the
    stacks: each is evaluated and saved as if it were trained alone. `families` is their order: replicas of one tuning
    stand side by side and share an optimiser group.
    """

    axis = 2

    def __init__(self, steppers: Sequence[Stepper]) -> None:
        self.steppers = sorted(
            steppers, key=lambda s: [tuned(s.family.tunings[player.name]) for player in s.family.players]
        )
        super().__init__([stepper.family for stepper in self.steppers])
        self.base = self.families[0]
        with torch.no_grad():
            self.tensors = self._stack_parameters()
            self.buffers, self.shared = self._stack_buffers()
            self.averages = {name: self._stack_average(name) for name in self.steppers[0].averages}
        self.keys = {name: list(owned) for name, owned in self.steppers[0].owned.items()}
        self.parameters = {name: [self.tensors[key] for key in keys] for name, keys in self.keys.items()}
        self.optimizers = {
            name: StackedOptimizer(name, self.families, self.steppers, own) for name, own in self.parameters.items()
        }
        self.given = {name: self._split(name) for name in self.keys}
        self.gradients = {
            name: TracedFunction(vmap(grad_and_value(partial(self._loss, name), has_aux=True), in_dims=(0, 0, 0, 0)))
            for name in self.keys
        }
        self.judged: Callable[..., Given] = vmap(self._judged, in_dims=(0, 0, None, 0))

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

    def shares(self, batch: Batch, noise: Given) -> Iterable[tuple[Batch, Given]]:
        for k in range(len(self)):
            yield batch.map(lambda t, k=k: t[k]), {key: value[k] for key, value in noise.items()}  # type: ignore[misc]

    def step(self, player: Player, batch: Batch, noise: Given, epochs: float) -> list[Tensor]:
        """Takes one optimiser step of one player of every replica. Return the means of its terms, (K, terms), alone."""
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
        return [terms]

    def means(self, steps: list[list[Tensor]]) -> Tensor:
        return torch.stack([terms for (terms,) in steps])

    def joined(self, each: list[Tensor]) -> Tensor:
        return torch.stack(each, 1)

    def judge(self, batch: Batch, position: int) -> Given:
        """All replicas in one pass."""
        player, n = self.base.players[0].name, len(batch.x)
        drawn = [f.draw(player, n, generator(f.device, f.seed, "validation", position)) for f in self.families]
        noise = {key: torch.stack([own[key] for own in drawn]) for key in drawn[0]}
        return self.judged(self.tensors, self.buffers, batch, noise)

    def _split(self, player: str) -> tuple[Given, Given]:
        """The parameters that a player's step moves; all other parameters and buffers."""
        own = {key: self.tensors[key].detach() for key in self.keys[player]}
        return own, {**{key: p.detach() for key, p in self.tensors.items() if key not in own}, **self.buffers}

    def average(self, player: str, done: int) -> None:
        """Moves each replica's average towards its weights, by its own decay."""
        rates = [average_rate(family.tunings[player].ema or 0.0, done) for family in self.families]
        with torch.no_grad():
            if len(set(rates)) == 1:
                torch._foreach_lerp_(self.averages[player], self.parameters[player], rates[0])
                return
            for mean, stack in zip(self.averages[player], self.parameters[player], strict=True):
                mean.lerp_(stack, stack.new_tensor(rates).view(-1, *[1] * (stack.ndim - 1)))
