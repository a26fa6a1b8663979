"""Samplers on Gaussian data with the exact denoiser, whose flow is solved in closed form."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from pushforward.diffusion import Ancestral, ProbabilityFlowHeun, Sampler
from pushforward.diffusion.samplers import Denoise

S = 0.6
"""Standard deviation of the data N(0, S²)."""


def levels(steps: int) -> Tensor:
    """log ᾱ of x_σ with σ in 7th powers from 0.002 to 80."""
    sigmas = torch.linspace(0.002 ** (1 / 7), 80 ** (1 / 7), steps, dtype=torch.float64) ** 7
    return -torch.log1p(sigmas.square())


def exact(log_alpha_bar: Tensor) -> Denoise:
    """E[x₀|x_t] = αS²/(α²S² + σ²)·x_t."""

    def denoise(x: Tensor, i: int) -> Tensor:
        alpha_bar = log_alpha_bar[i].exp()
        return alpha_bar.sqrt() * S**2 / (alpha_bar * S**2 + 1 - alpha_bar) * x

    return denoise


def run(sampler: Sampler, steps: int, x: Tensor, seed: int = 0) -> Tensor:
    log_alpha_bar, g = levels(steps), torch.Generator().manual_seed(seed)
    return sampler(
        exact(log_alpha_bar), log_alpha_bar, x, lambda: torch.randn(x.shape, generator=g, dtype=torch.float64)
    )


def solved(x: Tensor) -> Tensor:
    """The flow keeps x_σ/√(S² + σ²): x₀ = S·x_T/√(S² + σ_T²), in units of the chain x_T = x/√(1 + σ_T²)."""
    return S * x * math.hypot(1, 80) / math.hypot(S, 80)


def test_noise_of_variance_beta_and_none_at_the_end() -> None:
    """A denoiser that says 0: x of variance v₂ goes to kept·v₂/σ₂² + β₂, and that to kept·v₁/σ₁² alone. 5 standard errors."""
    log_alpha_bar, n = torch.tensor([0.9, 0.4], dtype=torch.float64).log(), 200_000
    g = torch.Generator().manual_seed(0)
    drawn: list[Tensor] = []

    def gaussian() -> Tensor:
        drawn.append(torch.randn(n, 1, generator=g, dtype=torch.float64))
        return drawn[-1]

    x = Ancestral(1.0, wide=True)(lambda x, i: 0 * x, log_alpha_bar, torch.ones(n, 1, dtype=torch.float64), gaussian)
    beta = 1 - 0.4 / 0.9
    kept = 0.1 - beta * 0.1 / 0.6  # 1 − ᾱ₁ − β̃₂
    first = (kept / 0.6) ** 0.5 + beta**0.5 * drawn[0]
    # to ᾱ = 1 nothing is kept of the noise, and none is added
    assert len(drawn) == 2 and torch.equal(x, 0 * first)
    one = Ancestral(1.0, wide=True)(lambda x, i: x, log_alpha_bar[1:], torch.ones(n, 1, dtype=torch.float64), gaussian)
    assert torch.equal(one, torch.ones(n, 1, dtype=torch.float64))
    assert "variance β" in Ancestral(1.0, wide=True).describe()


X = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(("sampler", "order"), [(Ancestral(0.0), 1), (ProbabilityFlowHeun(), 2)])
def test_the_error_falls_with_the_order(sampler: Sampler, order: int) -> None:
    """Twice the steps divide the error by 2^order; between 2^(order − ½) and 2^(order + ½) here."""
    errors = [float((run(sampler, steps, X) - solved(X)).abs().max()) for steps in (40, 80, 160)]
    for coarse, fine in pairwise(errors):
        assert 2 ** (order - 0.5) < coarse / fine < 2 ** (order + 0.5)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_samples_have_the_datas_deviation(eta: float) -> None:
    """At 2,000 steps: 20,000 draws know a standard deviation to 0.5 % (one standard error), and a first-order step is off by
    less (at a quarter of the steps by 1 % at most)."""
    x = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert float(run(Ancestral(eta), 2000, x).std()) == pytest.approx(S, rel=0.015)


@pytest.mark.parametrize(
    ("sampler", "evaluations", "calls"),
    [
        (Ancestral(1.0), 10, 10),
        (Ancestral(0.0), 10, 10),
        (ProbabilityFlowHeun(), 35, 35),
        (ProbabilityFlowHeun(), 10, 9),
    ],
)  # fmt: skip
def test_it_calls_the_field_as_often_as_it_may(sampler: Sampler, evaluations: int, calls: int) -> None:
    steps, seen = sampler.steps(evaluations), list[int]()
    log_alpha_bar = levels(steps)

    def counting(x: Tensor, i: int) -> Tensor:
        seen.append(i)
        return exact(log_alpha_bar)(x, i)

    sampler(counting, log_alpha_bar, X, lambda: torch.zeros_like(X))
    assert len(seen) == calls <= evaluations
