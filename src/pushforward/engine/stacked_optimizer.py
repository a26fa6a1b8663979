"""One player's optimiser for K replicas: a group for each tuning, over the stacked parameters."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from pushforward.engine.contract import Trainable
from pushforward.engine.stack_structure import tuned
from pushforward.engine.stepper import Stepper

ELEMENTWISE = (
    torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adagrad,
    torch.optim.Adadelta, torch.optim.Adamax, torch.optim.NAdam, torch.optim.RAdam, torch.optim.Rprop,
)  # fmt: skip
"""Optimisers whose update of a number depends on that number's history alone: to them a stack of tensors is one tensor."""
COUNTERS = ("step", "mu_product")
"""Optimiser states that count steps: one for a tensor, and so one for a stack."""


class StackedOptimizer:
    """The optimiser of `player` over stacks (K, …) of its parameters, going on from the families' own states.

    Families of one tuning stand side by side and share a group; where the optimiser looks at more than single numbers,
    each has a group of its own.
    """

    def __init__(
        self, player: str, families: Sequence[Trainable], steppers: list[Stepper], stacks: list[Tensor]
    ) -> None:
        self.player, self.families, self.steppers = player, families, steppers
        self.groups = self._groups()
        tunings = [families[group.start].tunings[player] for group in self.groups]
        self.optimizer = tunings[0].optimizer(
            [
                {**tuning.settings, "lr": tuning.lr, "params": [cut(s.detach(), group) for s in stacks]}
                for group, tuning in zip(self.groups, tunings, strict=True)
            ],
            lr=tunings[0].lr,
        )
        for group, given in zip(self.groups, self.optimizer.param_groups, strict=True):
            for i, view in enumerate(given["params"]):
                states = [s.optimizers[player].state.get(s.parameters[player][i], {}) for s in steppers[group]]
                if states[0]:
                    self.optimizer.state[view] = joined(states, view)

    def _groups(self) -> list[slice]:
        if self.families[0].tunings[self.player].optimizer not in ELEMENTWISE:
            return [slice(k, k + 1) for k in range(len(self.families))]
        groups: list[slice] = []
        for _, same in groupby(self.families, key=lambda family: tuned(family.tunings[self.player])):
            start = groups[-1].stop if groups else 0
            groups.append(slice(start, start + len(list(same))))
        return groups

    def step(self, grads: list[Tensor], epochs: float) -> None:
        """Clips each replica's gradient by its own norm, sets the rates, and updates the stacks."""
        self.clip(grads)
        for group, given in zip(self.groups, self.optimizer.param_groups, strict=True):
            family = self.families[group.start]
            tuning = family.tunings[self.player]
            if tuning.schedule is not None:
                factor = tuning.schedule(torch.tensor(epochs, dtype=torch.float64), family.horizon)
                given["lr"] = tuning.lr * float(factor)
                for stepper in self.steppers[group]:  # for it to be logged and saved
                    stepper.optimizers[self.player].param_groups[0]["lr"] = given["lr"]
            for view, grad in zip(given["params"], grads, strict=True):
                view.grad = cut(grad, group)
        self.optimizer.step()

    def clip(self, grads: list[Tensor]) -> None:
        """Each replica's gradient to its own largest norm, as `clip_grad_norm_` does it."""
        most = [family.tunings[self.player].clip for family in self.families]
        if all(m is None for m in most):
            return
        norms = torch.stack([grad.flatten(1).norm(dim=1) for grad in grads]).norm(dim=0)
        bound = norms.new_tensor([float("inf") if m is None else m for m in most])
        scale = (bound / (norms + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(scale.view(-1, *[1] * (grad.ndim - 1)))

    def hand_back(self) -> None:
        """Gives the families' own optimisers their views of the stacked states, for them to be saved."""
        for group, given in zip(self.groups, self.optimizer.param_groups, strict=True):
            several = group.stop - group.start > 1
            for k, stepper in enumerate(self.steppers[group]):
                own = stepper.optimizers[self.player]
                for view, parameter in zip(given["params"], stepper.parameters[self.player], strict=True):
                    own.state[parameter] = {
                        key: value[k] if several and whole(key, value, view) else value
                        for key, value in self.optimizer.state.get(view, {}).items()
                    }


def joined(states: list[dict[str, Any]], view: Tensor) -> dict[str, Any]:
    """Replicas' states of a parameter as the state of their stack; of one, a copy."""
    state = {}
    for key, value in states[0].items():
        if len(states) > 1 and whole(key, value, view[0]):
            state[key] = torch.stack([each[key] for each in states])
        else:
            state[key] = value.clone() if torch.is_tensor(value) else value
    return state


def whole(key: str, value: Any, like: Tensor) -> bool:
    """Whether an optimiser's state has a number for each number of a tensor."""
    return torch.is_tensor(value) and key not in COUNTERS and value.shape == like.shape


def cut(stack: Tensor, group: slice) -> Tensor:
    """The replicas of a group; of one, the tensor as it is alone."""
    return stack[group.start] if group.stop - group.start == 1 else stack[group]
