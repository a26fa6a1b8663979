"""The rate, against torch's divergence and in closed form."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from pushforward.bottlenecks import Code, Posterior
from pushforward.objectives import KL
from pushforward.priors import StandardNormal


def passed(mean: Tensor, log_std: Tensor, prior: Any, noise: Tensor | None = None) -> Any:
    z = mean if noise is None else mean + log_std.exp() * noise
    return SimpleNamespace(code=Code(z, Posterior(mean, log_std)), prior=prior)


def test_it_is_the_closed_form_by_dimension() -> None:
    mean, log_std = torch.randn(2, 5, 3)
    found = KL()(passed(mean, log_std, StandardNormal(3)))
    assert found.shape == (5, 3)
    torch.testing.assert_close(
        found, kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)), rtol=1e-5, atol=1e-6
    )
    formula = 0.5 * (mean**2 + (2 * log_std).exp() - 1 - 2 * log_std)
    torch.testing.assert_close(found, formula, rtol=1e-5, atol=1e-6)


def test_it_is_zero_where_posterior_and_prior_are_equal_and_positive_elsewhere() -> None:
    zeros = torch.zeros(4, 3)
    assert torch.equal(KL()(passed(zeros, zeros, StandardNormal(3))), zeros)
    mean, log_std = torch.randn(2, 1000, 3)
    assert bool((KL()(passed(mean, log_std, StandardNormal(3))) > 0).all())


def test_under_another_prior_it_is_estimated_without_bias() -> None:
    """log q(z|x) − log p(z) at one sample; the prior here is N(1, 2²), whose divergence is known."""

    class Other:
        def log_prob(self, z: Tensor) -> Tensor:
            return Normal(1.0, 2.0).log_prob(z).sum(-1)

    n, generator = 200_000, torch.Generator().manual_seed(0)
    mean, log_std = torch.tensor([[0.3, -1.0]]), torch.tensor([[-0.2, 0.4]])
    noise = torch.randn(n, 2, generator=generator)
    found = KL()(passed(mean.expand(n, 2), log_std.expand(n, 2), Other(), noise))
    assert found.shape == (n,)
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(1.0, 2.0)).sum()
    assert abs(float(found.mean() - expected)) < 4 * float(found.std()) / n**0.5
