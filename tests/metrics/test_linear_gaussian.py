"""Probabilistic PCA and the bound of a linear VAE: against the density itself, and against each other at the optimum."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from pushforward.metrics.linear_gaussian import linear_neg_elbo, probabilistic_pca


def points() -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(400, 6, generator=g, dtype=torch.float64) * torch.tensor([3.0, 2.0, 1.5, 0.5, 0.4, 0.3]).double()
    return x @ torch.linalg.qr(torch.randn(6, 6, generator=g, dtype=torch.float64)).Q + 1.0


def best(x: torch.Tensor, q: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """W, b and σ² of Tipping & Bishop 1999: W = U (Λ − σ²)^½, with the first q eigenvectors and eigenvalues."""
    values, vectors = torch.linalg.eigh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x))
    variance = float(values[: len(values) - q].mean())
    return vectors[:, -q:] * (values[-q:] - variance).sqrt(), x.mean(0), variance


@pytest.mark.parametrize("q", [1, 3])
def test_the_likelihood_is_the_density_at_the_known_optimum(q: int) -> None:
    x = points()
    w, b, variance = best(x, q)
    density = MultivariateNormal(b, w @ w.T + variance * torch.eye(6, dtype=torch.float64))
    found = probabilistic_pca(x, q)
    assert found.nll == pytest.approx(-float(density.log_prob(x).mean()), rel=1e-10)
    assert found.variance == pytest.approx(variance, rel=1e-10)


def test_the_bound_is_the_likelihood_at_the_exact_posterior_and_above_it_elsewhere() -> None:
    """There W's columns are orthogonal, so the posterior is diagonal: N(M⁻¹Wᵀ(x − b), σ²M⁻¹), M = WᵀW + σ²I."""
    x, q = points(), 3
    w, b, variance = best(x, q)
    m = w.T @ w + variance * torch.eye(q, dtype=torch.float64)
    mean = torch.linalg.solve(m, w.T @ (x - b).T).T
    log_std = (0.5 * (variance / m.diagonal()).log()).expand_as(mean)
    log_sigma = 0.5 * math.log(variance)
    exact = float(linear_neg_elbo(x, mean, log_std, w, b, log_sigma).mean())
    assert exact == pytest.approx(probabilistic_pca(x, q).nll, rel=1e-10)
    assert float(linear_neg_elbo(x, mean + 0.1, log_std, w, b, log_sigma).mean()) > exact
    # E‖x − Wz − b‖² by draws of z: 400,000 squares of standard error below 1e-3 of their mean
    z = mean + log_std.exp() * torch.randn(
        1000, *mean.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    square = (x - z @ w.T - b).square().sum(-1).mean()
    rest = (
        linear_neg_elbo(x, mean, log_std, w, b, 0.0).mean()
        - linear_neg_elbo(x, mean, log_std, 0 * w, x * 0, 0.0).mean()
    )
    closed = 2 * float(rest) + float(x.square().sum(1).mean())
    assert closed == pytest.approx(float(square), rel=5e-3)
