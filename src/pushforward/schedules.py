"""Numbers that change with the epochs seen. Tensor functions, so that replicas with different numbers can be stacked."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from pushforward.domains import NonNegative, Positive
from pushforward.numbers import number


class Schedule(nn.Module, ABC):
    """A factor as a function of epochs seen. `horizon`: epochs in the run's budget, for schedules that name no end."""

    @abstractmethod
    def forward(self, epochs: Tensor, horizon: float) -> Tensor:
        """The factor, 0-d."""


class Linear(Schedule):
    """Rises from `start` to 1 over the first `warmup` epochs, then stays."""

    warmup: Tensor
    start: Tensor

    def __init__(self, warmup: NonNegative, start: NonNegative = 0.0) -> None:
        super().__init__()
        number(self, "warmup", warmup)
        number(self, "start", start)

    def forward(self, epochs: Tensor, horizon: float) -> Tensor:
        share = (epochs / self.warmup.clamp(min=1e-12)).clamp(max=1.0)
        return self.start + (1 - self.start) * share


class Cosine(Schedule):
    """Warm-up over `warmup` epochs, then half a cosine down to `final` at `epochs`. Loshchilov & Hutter 2017.

    epochs: by default the budget's end.
    """

    warmup: Tensor
    final: Tensor

    def __init__(self, epochs: Positive | None = None, warmup: NonNegative = 0.0, final: NonNegative = 0.0) -> None:
        super().__init__()
        self.end = epochs
        number(self, "warmup", warmup)
        number(self, "final", final)

    def forward(self, epochs: Tensor, horizon: float) -> Tensor:
        end = horizon if self.end is None else self.end
        share = ((epochs - self.warmup) / (end - self.warmup).clamp(min=1e-12)).clamp(0.0, 1.0)
        decay = self.final + (1 - self.final) * 0.5 * (1 + torch.cos(math.pi * share))
        return torch.where(epochs < self.warmup, epochs / self.warmup.clamp(min=1e-12), decay)


class Exponential(Schedule):
    """Falls by the factor `rate` an epoch."""

    rate: Tensor

    def __init__(self, rate: Positive) -> None:
        super().__init__()
        number(self, "rate", rate)

    def forward(self, epochs: Tensor, horizon: float) -> Tensor:
        return self.rate**epochs
