"""Gaussian decoders have a known log p(x): for any number of temperatures the weights are unbiased, and many are exact."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from pushforward.metrics.annealed import Steps, annealed, schedule, tuned


def log_prior(z: Tensor) -> Tensor:
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_schedule_goes_from_prior_to_posterior() -> None:
    beta = schedule(50)
    assert beta[0] == 0 and beta[-1] == 1 and len(beta) == 51
    assert bool((beta.diff() > 0).all())
    torch.testing.assert_close(beta + beta.flip(0), torch.ones(51, dtype=torch.float64))  # a sigmoid is symmetric


@pytest.mark.parametrize("temperatures", [1, 4, 20])
def test_weights_are_unbiased_and_their_logarithm_is_below(temperatures: int) -> None:
    """z ~ N(0, 1), x | z ~ N(z, ½²), x = 1.5: p(x) = N(x; 0, 1.25). 20,000 walks; means within five standard errors."""
    n, x, sigma = 20_000, 1.5, 0.5
    truth = float(Normal(0.0, math.sqrt(1 + sigma**2)).log_prob(torch.tensor(x, dtype=torch.float64)))

    def log_likelihood(z: Tensor) -> Tensor:
        return -0.5 * ((x - z[..., 0]) / sigma).square() - math.log(sigma) - 0.5 * math.log(2 * math.pi)

    g = torch.Generator().manual_seed(temperatures)
    steps = Steps(torch.full((temperatures - 1, n), 0.4, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    found = annealed(log_prior, log_likelihood, normal(1, n, 1, seed=1), steps, g, leapfrogs=2)
    ratio = (found.bound - truth).exp()
    assert abs(float(ratio.mean()) - 1) < 5 * float(ratio.std()) / n**0.5
    assert float(found.bound.mean()) < truth
    assert bool((found.effective == 1).all())  # one chain
    posterior = x / (1 + sigma**2) + sigma / math.sqrt(1 + sigma**2) * normal(1, n, 1, seed=2)
    above = annealed(log_prior, log_likelihood, posterior, steps, g, leapfrogs=2, reverse=True)
    inverse = (truth - above.bound).exp()
    assert abs(float(inverse.mean()) - 1) < 5 * float(inverse.std()) / n**0.5
    assert float(above.bound.mean()) > truth


def test_is_exact_on_probabilistic_pca() -> None:
    """200 temperatures and 8 chains on 20 points: both bounds are within the tolerance their own spread gives.

    log mean w of 8 weights with effective number e is off by about √((8/e − 1)/8), 0.3 for e = 4.6 as here; over 20
    points the mean is off by a quarter of that, and five times so is 0.35.
    """
    data_dim, dim, n, sigma, mean = 6, 2, 20, 0.3, 0.1
    w = normal(data_dim, dim, seed=0)
    x = normal(n, dim, seed=1) @ w.T + mean + sigma * normal(n, data_dim, seed=2)
    eye = torch.eye(data_dim, dtype=torch.float64)
    truth = MultivariateNormal(torch.full_like(x[0], mean), w @ w.T + sigma**2 * eye).log_prob(x)

    def log_likelihood(z: Tensor) -> Tensor:
        e = (x - z @ w.T - mean) / sigma
        return (-0.5 * e.square() - math.log(sigma) - 0.5 * math.log(2 * math.pi)).sum(-1)

    g = torch.Generator().manual_seed(3)
    steps = tuned(log_prior, log_likelihood, normal(1, n, dim, seed=4), g, temperatures=200, leapfrogs=5)
    assert steps.sizes.shape == (199, n)
    below = annealed(log_prior, log_likelihood, normal(8, n, dim, seed=5), steps, g, leapfrogs=5)
    covariance = torch.linalg.inv(torch.eye(dim, dtype=torch.float64) + w.T @ w / sigma**2)
    root = torch.linalg.cholesky(covariance)
    posterior = (x - mean) @ w / sigma**2 @ covariance + normal(8, n, dim, seed=6) @ root.T
    above = annealed(log_prior, log_likelihood, posterior, steps, g, leapfrogs=5, reverse=True)
    off, over = below.bound - truth, above.bound - truth
    print(f"below {float(off.mean()):+.3f} nats, above {float(over.mean()):+.3f}")
    assert abs(float(off.mean())) < 0.35 and abs(float(over.mean())) < 0.35
    assert float(above.bound.mean()) > float(below.bound.mean())
    assert 3 < float(below.effective.mean()) <= 8
    assert 0.5 < float(below.acceptance.mean()) < 0.8  # aimed at 0.65


def test_step_sizes_follow_the_priors_scale() -> None:
    """A unit a thousand times as wide as another is walked in steps a thousand times as long."""
    wide = torch.tensor([1000.0, 1.0], dtype=torch.float64)
    n, x = 50, torch.tensor([300.0, 0.5], dtype=torch.float64)

    def scaled_prior(z: Tensor) -> Tensor:
        return log_prior(z / wide) - wide.log().sum()

    def log_likelihood(z: Tensor) -> Tensor:
        return -0.5 * ((z - x) / wide / 0.7).square().sum(-1) - (wide * 0.7).log().sum() - math.log(2 * math.pi)

    g = torch.Generator().manual_seed(0)
    pilot, start = (wide * normal(c, n, 2, seed=c) for c in (1, 4))
    steps = tuned(scaled_prior, log_likelihood, pilot, g, temperatures=100, leapfrogs=4)
    found = annealed(scaled_prior, log_likelihood, start, steps, g, leapfrogs=4)
    truth = Normal(torch.zeros(2, dtype=torch.float64), wide * math.sqrt(1.49)).log_prob(x).sum()
    error = float((found.bound - truth).std()) / n**0.5  # the walks are n of the same image
    assert abs(float((found.bound - truth).mean())) < 5 * error + 0.02  # + its bias, half the variance of log w
    assert float(found.acceptance.mean()) > 0.5


def test_a_walk_that_runs_off_is_refused() -> None:
    def log_likelihood(z: Tensor) -> Tensor:
        return -z[..., 0].pow(4)

    steps = Steps(torch.full((9, 5), 1e6, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    g = torch.Generator().manual_seed(0)
    found = annealed(log_prior, log_likelihood, normal(3, 5, 1, seed=1), steps, g, leapfrogs=5)
    assert bool(found.bound.isfinite().all()) and float(found.acceptance.max()) == 0


def test_the_same_generator_gives_the_same_numbers() -> None:
    def twice() -> Tensor:
        g = torch.Generator().manual_seed(7)
        steps = tuned(log_prior, log_prior, normal(1, 3, 2, seed=1), g, temperatures=10, leapfrogs=2)
        return annealed(log_prior, log_prior, normal(2, 3, 2, seed=2), steps, g, leapfrogs=2).bound

    torch.manual_seed(0)
    first = twice()
    torch.manual_seed(1)  # the global generator has no part in it
    assert torch.equal(first, twice())
