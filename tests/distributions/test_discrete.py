"""Categorical distributions against torch's."""

import math

import torch
from torch.distributions import Categorical, kl_divergence

from pushforward.distributions.discrete import gumbel, kl_uniform


def test_the_divergence_from_the_uniform_one_is_log_k_less_the_entropy() -> None:
    logits = torch.randn(7, 3, 5, dtype=torch.float64)
    log_p = logits.log_softmax(-1)
    expected = kl_divergence(Categorical(logits=logits), Categorical(logits=torch.zeros_like(logits)))
    torch.testing.assert_close(kl_uniform(log_p), expected)
    torch.testing.assert_close(kl_uniform(torch.full((1, 4), -math.log(4))), torch.zeros(1))
    certain = torch.tensor([[0.0, -1e4]])
    torch.testing.assert_close(kl_uniform(certain), torch.tensor([math.log(2)]))


def test_gumbel_noise_has_its_mean_and_variance_and_is_finite_at_the_ends() -> None:
    """Euler's constant and π²/6; 200,000 draws, five standard errors (the kurtosis is 5.4)."""
    n = 200_000
    g = gumbel(torch.rand(n, generator=torch.Generator().manual_seed(0)))
    variance = math.pi**2 / 6
    assert abs(float(g.mean()) - 0.577216) < 5 * (variance / n) ** 0.5
    assert abs(float(g.var()) / variance - 1) < 5 * (4.4 / n) ** 0.5
    assert bool(gumbel(torch.tensor([0.0, 1 - 2.0**-24, 1.0])).isfinite().all())
