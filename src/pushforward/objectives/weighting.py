"""Weights of a term as functions of the epochs seen: what β multiplies, and when."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from pushforward.domains import NonNegative, Positive, Share
from pushforward.numbers import number
from pushforward.parallel import gather_batch


class Weight(nn.Module, ABC):
    """Turns a term's value into its contribution to the objective. Abstract.

    couples_batch: the contribution is no mean of images' own.
    """

    couples_batch: ClassVar[bool] = False

    @abstractmethod
    def forward(self, value: Tensor, epochs: Tensor) -> Tensor:
        """The weighted contribution, (n,) or (); `value` is (n,), (n, d) in parts that add up, or ()."""

    @abstractmethod
    def describe(self, symbol: str) -> str:
        """The weighted term as it stands in an equation; empty where it is not in it."""

    @abstractmethod
    def settled(self) -> float:
        """Epochs after which it no longer changes with time: 0 where it never does, infinite where it always does."""


class Constant(Weight):
    """β · term. Higgins et al. 2017 where the term is the KL."""

    beta: Tensor

    def __init__(self, beta: NonNegative) -> None:
        super().__init__()
        number(self, "beta", beta)

    def forward(self, value: Tensor, epochs: Tensor) -> Tensor:
        return self.beta * total_of(value)

    def describe(self, symbol: str) -> str:
        beta = float(self.beta)
        return symbol if beta == 1 else f"{beta:g}·{symbol}" * (beta != 0)

    def settled(self) -> float:
        return 0.0


class Warmup(Weight):
    """β(t) · term, β rising linearly from `start` to `beta` over the first `epochs`. Bowman et al. 2016."""

    beta: Tensor
    over: Tensor
    start: Tensor

    def __init__(self, beta: NonNegative, epochs: NonNegative, start: NonNegative) -> None:
        super().__init__()
        number(self, "beta", beta)
        number(self, "over", epochs)
        number(self, "start", start)

    def forward(self, value: Tensor, epochs: Tensor) -> Tensor:
        share = (epochs / self.over.clamp(min=1e-12)).clamp(max=1.0)
        return (self.start + (self.beta - self.start) * share) * total_of(value)

    def describe(self, symbol: str) -> str:
        return f"β(t)·{symbol} with β: {float(self.start):g} → {float(self.beta):g} over {float(self.over):g} epochs"

    def settled(self) -> float:
        return float(self.over)


class During(Weight):
    """β · term from the epoch `start` until `end`, null: to the end; else nothing. Vincent et al. 2010, sec. 3."""

    beta: Tensor
    start: Tensor
    end: Tensor

    def __init__(self, beta: NonNegative, start: NonNegative, end: Positive | None) -> None:
        super().__init__()
        number(self, "beta", beta)
        number(self, "start", start)
        number(self, "end", math.inf if end is None else end)

    def forward(self, value: Tensor, epochs: Tensor) -> Tensor:
        return self.beta * ((epochs >= self.start) & (epochs < self.end)) * total_of(value)

    def describe(self, symbol: str) -> str:
        factor = "" if float(self.beta) == 1 else f"{float(self.beta):g}·"
        until = f" to {float(self.end):g}" if math.isfinite(self.end) else ""
        return f"{factor}{symbol} (epochs {float(self.start):g}{until or ' on'})"

    def settled(self) -> float:
        return float(self.end) if math.isfinite(self.end) else float(self.start)


class Cyclical(Weight):
    """β(t) · term; in each `period` of epochs β rises from 0 to `beta` over the share `ramp`, then holds. Fu et al. 2019."""

    beta: Tensor
    period: Tensor
    ramp: Tensor

    def __init__(self, beta: NonNegative, period: Positive, ramp: Share) -> None:
        super().__init__()
        number(self, "beta", beta)
        number(self, "period", period)
        number(self, "ramp", ramp)

    def forward(self, value: Tensor, epochs: Tensor) -> Tensor:
        phase = torch.remainder(epochs, self.period) / self.period
        return self.beta * (phase / self.ramp.clamp(min=1e-12)).clamp(max=1.0) * total_of(value)

    def describe(self, symbol: str) -> str:
        return (
            f"β(t)·{symbol} with β: 0 → {float(self.beta):g} over {float(self.ramp):.0%} of every "
            f"{float(self.period):g} epochs"
        )

    def settled(self) -> float:
        return math.inf


class Capacity(Weight):
    """β · |term − C(t)|, C rising from 0 to `capacity` nats over `epochs` epochs. Burgess et al. 2018."""

    couples_batch = True

    beta: Tensor
    capacity: Tensor
    over: Tensor

    def __init__(self, beta: NonNegative, capacity: NonNegative, epochs: NonNegative) -> None:
        super().__init__()
        number(self, "beta", beta)
        number(self, "capacity", capacity)
        number(self, "over", epochs)

    def forward(self, value: Tensor, epochs: Tensor) -> Tensor:
        allowed = self.capacity * (epochs / self.over.clamp(min=1e-12)).clamp(max=1.0)
        return self.beta * (gather_batch(total_of(value)).mean() - allowed).abs()

    def describe(self, symbol: str) -> str:
        return (
            f"{float(self.beta):g}·|{symbol} − C(t)| with C: 0 → {float(self.capacity):g} nats over "
            f"{float(self.over):g} epochs"
        )

    def settled(self) -> float:
        return float(self.over)


class FreeBits(Weight):
    """β · Σ_j max(λ, mean over the batch of part j): each code dimension has `nats` for free. Kingma et al. 2016, eq. 15."""

    couples_batch = True

    beta: Tensor
    nats: Tensor

    def __init__(self, beta: NonNegative, nats: NonNegative) -> None:
        super().__init__()
        number(self, "beta", beta)
        number(self, "nats", nats)

    def forward(self, value: Tensor, epochs: Tensor) -> Tensor:
        parts = value if value.ndim == 2 else value.reshape(-1, 1)
        return self.beta * torch.maximum(gather_batch(parts).mean(0), self.nats).sum()

    def describe(self, symbol: str) -> str:
        bits = float(self.nats) / math.log(2)
        factor = "" if float(self.beta) == 1 else f"{float(self.beta):g}·"
        return f"{factor}Σⱼ max({float(self.nats):g} nats, {symbol}ⱼ) ({bits:.2g} bits free a dimension)"

    def settled(self) -> float:
        return 0.0


class Normalised(Weight):
    """term/(term + c)^p by image, with no gradient through the divisor: large errors count less. Geng et al. 2025, eq. 22."""

    offset: Tensor
    power: Tensor

    def __init__(self, offset: Positive, power: NonNegative) -> None:
        super().__init__()
        number(self, "offset", offset)
        number(self, "power", power)

    def forward(self, value: Tensor, epochs: Tensor) -> Tensor:
        total = total_of(value)
        return total / (total.detach() + self.offset) ** self.power

    def describe(self, symbol: str) -> str:
        return f"{symbol}/sg({symbol} + {float(self.offset):g})^{float(self.power):g}"

    def settled(self) -> float:
        return 0.0


def total_of(value: Tensor) -> Tensor:
    """Parts (n, d) summed to (n,); anything else as it is."""
    return value.sum(-1) if value.ndim == 2 else value
