"""Against torch.distributions, in float64: 1e-12 is rounding."""

import math

import torch
from torch.distributions import Independent, Normal, kl_divergence

from pushforward.distributions.gaussian import (
    kl_gaussians,
    kl_standard_normal,
    log_normal,
    log_standard_normal,
    sample_normal,
)

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def draws(count: int) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return [torch.randn(5, 3, generator=g, dtype=torch.float64) for _ in range(count)]


def test_log_densities() -> None:
    z, m, s = draws(3)
    torch.testing.assert_close(log_normal(z, m, s), Independent(Normal(m, s.exp()), 1).log_prob(z), **CLOSE)
    torch.testing.assert_close(log_standard_normal(z), Independent(Normal(0 * z, 1 + 0 * z), 1).log_prob(z), **CLOSE)


def test_log_normal_broadcasts_over_importance_samples() -> None:
    z, m, s = draws(3)
    k = torch.stack((z, z + 1), 1)  # (n, k, d)
    assert torch.equal(log_normal(k, m[:, None], s[:, None])[:, 1], log_normal(z + 1, m, s))


def test_kl() -> None:
    m, s, m2, s2 = draws(4)
    q, p = Normal(m, s.exp()), Normal(m2, s2.exp())
    torch.testing.assert_close(kl_gaussians(m, s, m2, s2), kl_divergence(q, p), **CLOSE)
    standard = kl_standard_normal(m, s)
    torch.testing.assert_close(standard, 0.5 * (m**2 + s.exp() ** 2 - 1 - 2 * s), **CLOSE)
    torch.testing.assert_close(standard, kl_gaussians(m, s, 0 * m, 0 * s), **CLOSE)
    assert (standard >= 0).all()
    assert kl_standard_normal(0 * m, 0 * s).abs().max() == 0
    assert kl_gaussians(m, s, m, s).abs().max() == 0


def test_kl_of_a_collapsed_dimension_keeps_its_digits_in_float32() -> None:
    """At μ = 0, ln σ = δ the KL is δ² + O(δ³): 1e-8 at δ = 1e-4, where σ² − 1 − 2δ would be lost below 1e-7."""
    delta = torch.tensor([[1e-4]])
    # expm1(2δ)/2 is rounded at 6e-8 · 1e-4 = 6e-12, and δ likewise
    assert abs(kl_standard_normal(0 * delta, delta).item() - 1e-8) < 2e-11


def test_samples_have_the_mean_and_deviation() -> None:
    """200,000 draws: the mean's standard error is σ/√N = 0.0045, the deviation's 0.7 of it; 5 of them."""
    noise = torch.randn(200_000, 1, generator=torch.Generator().manual_seed(0))
    z = sample_normal(torch.full_like(noise, 3.0), torch.full_like(noise, math.log(2)), noise)
    assert abs(z.mean().item() - 3) < 5 * 0.0045
    assert abs(z.std().item() - 2) < 5 * 0.0032
