"""Samplers: from noise to data along the levels of a chain, given its denoiser. One algorithm each for every process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.domains import Share

Denoise = Callable[[Tensor, int], Tensor]
"""(x, level) → x̂₀, (n, *shape)."""


class Sampler(Protocol):
    """Draws x₀ from x at the most noise, by x̂₀ at the levels of a chain."""

    def steps(self, evaluations: int) -> int:
        """The levels that so many calls of the field suffice for, at least 1."""
        ...

    def __call__(
        self, denoise: Denoise, log_alpha_bar: Float[Tensor, " s"], x: Tensor, gaussian: Callable[[], Tensor]
    ) -> Tensor:
        """x₀, (n, *shape). log_alpha_bar: of x_t = √ᾱ x₀ + √(1 − ᾱ) ε, float64, from the least noise to the most."""
        ...

    def describe(self) -> str: ...


def scales(log_alpha_bar: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """α and σ of x_t = αx₀ + σε."""
    return torch.exp(0.5 * log_alpha_bar).to(like), torch.sqrt(-torch.expm1(log_alpha_bar)).to(like)


@dataclass(frozen=True)
class Ancestral:
    """x_{i−1} ~ N(√ᾱ_{i−1} x̂₀ + √(1 − ᾱ_{i−1} − s²) ε̂, s²), s² = η² β̃: the chain itself at η = 1, DDIM at η = 0.

    Ho et al. 2020, alg. 2; Song, Meng & Ermon 2021, eq. 12. DDIM is Euler's method for the probability flow, eq. 13.
    wide: the fresh noise has the variance β = 1 − ᾱᵢ/ᾱᵢ₋₁ and what is kept is as at s², but for the last step, which has none:
    σ̂ of Song, Meng & Ermon 2021, sec. 5, DDPM's own for images.
    """

    eta: Share
    wide: bool = False

    def steps(self, evaluations: int) -> int:
        return max(1, evaluations)

    def __call__(
        self, denoise: Denoise, log_alpha_bar: Float[Tensor, " s"], x: Tensor, gaussian: Callable[[], Tensor]
    ) -> Tensor:
        for i in range(len(log_alpha_bar) - 1, -1, -1):
            now = log_alpha_bar[i]
            before = log_alpha_bar[i - 1] if i else torch.zeros_like(now)
            posterior_variance = -torch.expm1(now - before) * torch.expm1(before) / torch.expm1(now)
            x0 = denoise(x, i)
            alpha, sigma = scales(now, x)
            eps = (x - alpha * x0) / sigma
            fresh = self.eta**2 * posterior_variance
            kept = (-torch.expm1(before) - fresh).clamp(min=0)
            x = torch.exp(0.5 * before).to(x) * x0 + kept.sqrt().to(x) * eps
            if self.wide:
                fresh = -torch.expm1(now - before) if i else torch.zeros_like(now)
            if self.eta:
                x = x + fresh.sqrt().to(x) * gaussian()
        return x

    def describe(self) -> str:
        return "DDIM" if self.eta == 0 else f"η = {self.eta:g}" + ", noise of variance β" * self.wide


@dataclass(frozen=True)
class ProbabilityFlowHeun:
    """Heun's steps of d(x/α) = ε̂ d(σ/α), and Euler's at the last, which ends at σ = 0. Karras et al. 2022, alg. 1."""

    def steps(self, evaluations: int) -> int:
        return max(1, (evaluations + 1) // 2)

    def __call__(
        self, denoise: Denoise, log_alpha_bar: Float[Tensor, " s"], x: Tensor, gaussian: Callable[[], Tensor]
    ) -> Tensor:
        for i in range(len(log_alpha_bar) - 1, -1, -1):
            ahead, first = euler(x, denoise(x, i), log_alpha_bar, i)
            if i == 0:
                return ahead
            alpha, sigma = scales(log_alpha_bar[i - 1], x)
            second = (ahead - alpha * denoise(ahead, i - 1)) / sigma
            x = along(x, 0.5 * (first + second), log_alpha_bar, i)
        return x

    def describe(self) -> str:
        return "Heun on the probability flow"


def euler(x: Tensor, x0: Tensor, log_alpha_bar: Tensor, i: int) -> tuple[Tensor, Tensor]:
    """x at the level before, and ε̂ at level i."""
    alpha, sigma = scales(log_alpha_bar[i], x)
    eps = (x - alpha * x0) / sigma
    return along(x, eps, log_alpha_bar, i), eps


def along(x: Tensor, eps: Tensor, log_alpha_bar: Tensor, i: int) -> Tensor:
    """x moved from level i to the one before with the slope ε̂ of x/α over σ/α."""
    now, before = log_alpha_bar[i], log_alpha_bar[i - 1] if i else torch.zeros_like(log_alpha_bar[i])
    (alpha, sigma), (alpha_before, sigma_before) = scales(now, x), scales(before, x)
    return alpha_before / alpha * (x - sigma * eps) + sigma_before * eps
