"""An AR(1) prior against the multivariate normal that it is, and the rate that it commits to."""

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from pushforward.bottlenecks import GaussianPosterior
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.objectives.divergence import closed_form_kl
from pushforward.priors import AutoregressivePrior
from pushforward.priors.autoregressive import committed_rate
from pushforward.spec import Batch, DataSpec
from pushforward.training.build import build_family

D, DELTA = 6, 3.0


def made() -> tuple[AutoregressivePrior, MultivariateNormal]:
    """The prior, and the normal with covariance α^|i − j|."""
    prior = AutoregressivePrior(DELTA, code_dim=D).double()
    at = torch.arange(D)
    covariance = prior.alpha ** (at[:, None] - at).abs()
    return prior, MultivariateNormal(torch.zeros(D).double(), covariance)


def posteriors(n: int = 50, seed: int = 0) -> tuple[Tensor, Tensor]:
    mean, log_std = torch.randn(2, n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return mean, log_std


def test_density_and_divergence_are_those_of_the_normal() -> None:
    prior, whole = made()
    mean, log_std = posteriors()
    torch.testing.assert_close(prior.log_prob(mean), whole.log_prob(mean))
    found = closed_form_kl(GaussianPosterior(mean, log_std), prior)
    assert found is not None and found.shape == mean.shape
    q = MultivariateNormal(mean, torch.diag_embed((2 * log_std).exp()))
    torch.testing.assert_close(found.sum(1), kl_divergence(q, whole))


def test_no_posterior_has_a_rate_below_delta_and_the_best_one_has_it() -> None:
    """α is a float32: δ is met to 1e-6."""
    prior, whole = made()
    assert committed_rate(float(prior.alpha), D) == pytest.approx(DELTA, rel=1e-6)
    for seed in range(20):
        mean, log_std = posteriors(seed=seed)
        assert float(prior.kl(0.3 * mean, 0.3 * log_std - 0.5).sum(1).min()) > DELTA
    best = -0.5 * torch.linalg.inv(whole.covariance_matrix).diagonal().log()[None]
    torch.testing.assert_close(float(prior.kl(torch.zeros_like(best), best).sum()), DELTA, rtol=1e-6, atol=0)
    start = torch.zeros(2, 1, D, dtype=torch.float64, requires_grad=True)
    gradient = torch.autograd.grad(prior.kl(torch.zeros_like(best), best + start[1]).sum(), start)[0]
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-9)


def test_draws_have_the_covariance() -> None:
    """20,000 draws: an entry's standard error is at most √2/√20,000 = 0.01."""
    prior, whole = made()
    z = prior.sample(20_000, torch.Generator().manual_seed(0))
    assert float((z.T.cov() - whole.covariance_matrix).abs().max()) < 0.05


def test_the_recipe_never_has_less_and_one_unit_is_refused() -> None:
    spec = DataSpec((1, 8, 8), 17, 100)
    recipe = ["model=delta_vae", "data=digits", "network.hidden=[4]"]
    family = build_family(compose(recipe), spec)
    noise = family.draw("model", 50, torch.Generator().manual_seed(0))
    kl = family.loss("model", Batch(torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(1))), noise).terms[
        "kl"
    ]
    assert float(kl.detach().min()) >= 5 * (1 - 1e-6)
    with pytest.raises(PushforwardError, match="correlates units, and the code has one"):
        build_family(compose([*recipe, "model.code_dim=1"]), spec)
