"""An optimiser's update without torch's overhead around each step, which is a third of a small model's Adam."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

PLAIN = {"amsgrad": False, "maximize": False, "differentiable": False, "fused": True}


class OptimizerUpdate:
    """`optimizer.step()` with these gradients, None for a parameter that has none; bit for bit the same.

    Fused Adam and AdamW as they come are called directly; any other optimiser, one with hooks or of several groups, and
    the first step, which makes the states, go through `step`.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor]) -> None:
        self.optimizer, self.parameters = optimizer, list(parameters)
        self.direct = (
            type(optimizer) in (torch.optim.Adam, torch.optim.AdamW)
            and len(optimizer.param_groups) == 1
            and all(optimizer.param_groups[0].get(key) == value for key, value in PLAIN.items())
            and not any(p.is_complex() for p in parameters)
        )
        self.states: list[dict[str, Any]] = []
        self.lists: list[list[Tensor]] = []

    def __call__(self, grads: Sequence[Tensor | None]) -> None:
        if not self.direct or self._watched() or any(grad is None for grad in grads) or not self._known():
            for parameter, grad in zip(self.parameters, grads, strict=True):
                parameter.grad = grad
            self.optimizer.step()
            return
        group = self.optimizer.param_groups[0]
        beta1, beta2 = group["betas"]
        averages, squares, steps = self.lists
        with torch.no_grad():
            adam(
                self.parameters, grads, averages, squares, [], steps, fused=True, capturable=group["capturable"],  # type: ignore[arg-type]
                decoupled_weight_decay=group["decoupled_weight_decay"], amsgrad=False, beta1=beta1, beta2=beta2,
                lr=group["lr"], weight_decay=group["weight_decay"], eps=group["eps"], maximize=False,
            )  # fmt: skip

    def _watched(self) -> bool:
        """Whether somebody wants to be told of each step."""
        optimizer: Any = self.optimizer
        return bool(
            optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks or "step" in vars(optimizer)
        )

    def _known(self) -> bool:
        """Whether the states are there; they are looked up again where the optimiser has been given others."""
        state = self.optimizer.state
        ends = [state.get(self.parameters[i]) for i in (0, -1)]
        if not all(ends):
            return False
        if not self.states or ends[0] is not self.states[0] or ends[1] is not self.states[-1]:
            self.states = [state.get(p) or {} for p in self.parameters]
            if not all(self.states):
                self.states = []
                return False
            self.lists = [[own[key] for own in self.states] for key in ("exp_avg", "exp_avg_sq", "step")]
        return True
