"""Noise schedules: β_t of q(x_t | x_{t−1}) = N(√(1 − β_t)·x_{t−1}, β_t I), t = 1 … T."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pushforward.domains import Count, NonNegative, Probability


class Betas(Protocol):
    """A noise schedule: plain numbers that make a table."""

    def betas(self) -> Tensor:
        """β_1 … β_T, float64."""
        ...


@dataclass(frozen=True)
class LinearBetas:
    """β_t from `start` to `end` on a line. Ho et al. 2020, sec. 4."""

    timesteps: Count
    start: Probability
    end: Probability

    def betas(self) -> Tensor:
        return torch.linspace(self.start, self.end, self.timesteps, dtype=torch.float64)


@dataclass(frozen=True)
class CosineBetas:
    """ᾱ_t ∝ cos²(½π (t/T + s)/(1 + s)), β_t at most `largest`. Nichol & Dhariwal 2021, eq. 17."""

    timesteps: Count
    offset: NonNegative
    largest: Probability

    def betas(self) -> Tensor:
        t = torch.linspace(0, 1, self.timesteps + 1, dtype=torch.float64)
        alpha_bar = torch.cos(0.5 * math.pi * (t + self.offset) / (1 + self.offset)).square()
        return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=self.largest)
