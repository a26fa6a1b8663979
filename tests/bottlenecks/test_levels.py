"""Codes of several levels: draws, densities and rates against Gaussians that are known."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from pushforward.bottlenecks import BottomUpLevels, Gaussian, LadderLevels, Levels, ResidualLevels
from pushforward.composition import compose
from pushforward.distributions import Gaussian as GaussianLikelihood
from pushforward.distributions.gaussian import kl_gaussians, log_ratio_of_normals, product_of_normals
from pushforward.errors import PushforwardError
from pushforward.families import Tuning, VariationalAutoencoder
from pushforward.families.family import Likelihoods
from pushforward.networks import MLP
from pushforward.objectives import KL, ImportanceWeightedBound, Reconstruction, TotalCorrelation
from pushforward.priors import LevelPrior
from pushforward.spec import Batch, DataSpec
from pushforward.training.build import build_family

KINDS = [BottomUpLevels, ResidualLevels, LadderLevels]
SPEC = DataSpec((3,), None, 12, low=-math.inf, high=math.inf)
SIGMA, TAU = 0.6, 0.5
W = torch.tensor([[1.0, 0.2], [-0.5, 0.8], [0.3, 0.4]], dtype=torch.float64)
A = torch.tensor([[0.9], [-0.7]], dtype=torch.float64)
"""z₂ ~ N(0, 1), z₁|z₂ ~ N(A z₂, τ² I), x|z₁ ~ N(W z₁, σ² I)."""


def made(kind: type[Levels], levels: int = 3, seed: int = 0) -> Levels:
    torch.manual_seed(seed)
    return kind((5,), 4, levels, (6,)).double()


def features(n: int = 7) -> Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def noise(bottleneck: Levels, *leading: int) -> Tensor:
    return torch.randn(*leading, bottleneck.dim, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_precision_weighted_merge_is_the_product_of_gaussians() -> None:
    """log N(z; a) + log N(z; b) − log N(z; merged) is the same for all z."""
    g = torch.Generator().manual_seed(0)
    mean_a, log_a, mean_b, log_b = torch.randn(4, 5, generator=g, dtype=torch.float64)
    mean, log_std = product_of_normals(mean_a, log_a, mean_b, log_b)
    precision = torch.exp(-2 * log_a) + torch.exp(-2 * log_b)
    torch.testing.assert_close(torch.exp(-2 * log_std), precision)
    torch.testing.assert_close(mean, (mean_a * torch.exp(-2 * log_a) + mean_b * torch.exp(-2 * log_b)) / precision)
    z = torch.randn(50, 5, generator=g, dtype=torch.float64)
    left = sum(Normal(m, s.exp()).log_prob(z) for m, s in ((mean_a, log_a), (mean_b, log_b)))
    constant = left - Normal(mean, log_std.exp()).log_prob(z)
    torch.testing.assert_close(constant, constant[:1].expand_as(constant))


def test_the_log_ratio_is_that_of_the_densities_and_its_mean_the_kl() -> None:
    """Over ±ε of all pairs the mean of z² is exact at ε = 1: the ratio is quadratic in z."""
    g = torch.Generator().manual_seed(0)
    mean_q, log_q, mean_p, log_p = torch.randn(4, 5, generator=g, dtype=torch.float64)
    q, p = Normal(mean_q, log_q.exp()), Normal(mean_p, log_p.exp())
    z = torch.stack([mean_q + log_q.exp(), mean_q - log_q.exp()])
    ratio = log_ratio_of_normals(z, mean_q, log_q, mean_p, log_p)
    torch.testing.assert_close(ratio, q.log_prob(z) - p.log_prob(z))
    torch.testing.assert_close(ratio.mean(0), kl_divergence(q, p))
    torch.testing.assert_close(kl_gaussians(mean_q, log_q, mean_p, log_p), kl_divergence(q, p))


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_is_mean_plus_std_times_noise_level_by_level(kind: type[Levels]) -> None:
    """At its own draw the density of q, taken apart again, gives the noise back; k samples are laid side by side."""
    bottleneck, eps = made(kind), noise(made(kind), 3, 7)
    code = bottleneck(features(), eps)
    assert isinstance(code.z, tuple) and [part.shape for part in code.z] == [(3, 7, 4), (3, 7, 2), (3, 7, 1)]
    z = torch.cat(code.z, -1)
    again = bottleneck.walk(features(), None, z)
    torch.testing.assert_close((z - again.q[0]) * torch.exp(-again.q[1]), eps)
    assert code.log_q is not None and code.posterior is not None
    torch.testing.assert_close(code.posterior.log_prob(z), code.log_q)
    one = bottleneck(features(), eps[1])
    torch.testing.assert_close(torch.cat(one.z, -1), z[1])
    torch.testing.assert_close(one.extras["rates"], code.extras["rates"][1])
    drawn, log_q = code.posterior.draw(eps)
    assert torch.equal(drawn, z) and torch.equal(log_q, code.log_q)
    assert torch.equal(torch.cat(bottleneck(features()).z, -1), code.posterior.mean)


@pytest.mark.parametrize("kind", KINDS)
def test_the_prior_is_that_of_the_bottleneck_and_rates_have_the_mean_of_log_q_less_log_p(kind: type[Levels]) -> None:
    """Rates take the known part of the expectation: over 4,000 draws the two means agree within 5 standard errors."""
    bottleneck = made(kind)
    prior = LevelPrior(code_dim=bottleneck.dim)
    prior.bind(bottleneck)
    n = 4000
    code = bottleneck(features(1).expand(n, -1), noise(bottleneck, n))
    z = torch.cat(code.z, -1)
    log_ratio = code.log_q - prior.log_prob(z)
    difference = code.extras["rates"].sum(-1) - log_ratio
    assert abs(float(difference.mean())) < 5 * float(difference.std()) / n**0.5
    assert float(difference.std()) > 0
    p = bottleneck.walk(features(1), None, z[:1]).p
    torch.testing.assert_close(Normal(p[0], p[1].exp()).log_prob(z[:1]).sum(-1), prior.log_prob(z[:1]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_prior_draws_what_it_is_a_density_of(kind: type[Levels]) -> None:
    """−E log p of its own draws is Σ (½ ln 2πe + log σ), given the levels above; within 5 standard errors."""
    bottleneck = made(kind)
    prior = LevelPrior(code_dim=bottleneck.dim)
    prior.bind(bottleneck)
    z = prior.double().sample(4000, torch.Generator().manual_seed(0))
    mean, log_std = bottleneck.walk(features(1), None, z).p
    off = -prior.log_prob(z) - (0.5 * math.log(2 * math.pi * math.e) + log_std).sum(-1)
    assert abs(float(off.mean())) < 5 * float(off.std()) / 4000**0.5
    e = (z - mean) * torch.exp(-log_std)
    assert float(e.mean(0).abs().max()) < 5 / 4000**0.5 and float((e.std(0) - 1).abs().max()) < 5 / 8000**0.5


def test_a_single_level_is_a_gaussian_bottleneck() -> None:
    for kind in KINDS:
        bottleneck, plain = made(kind, levels=1), Gaussian((5,), 4).double()
        [affine] = [m for m in bottleneck.modules() if isinstance(m, torch.nn.Linear)]
        plain.linear.load_state_dict(affine.state_dict())
        eps = noise(bottleneck, 7)
        assert torch.equal(bottleneck(features(), eps).z, plain(features(), eps).z)


# A model of two linear levels, whose log p(x) is known ------------------------------------------------------------------


def linear(kind: type[Levels], exact: bool, **more: Any) -> VariationalAutoencoder:
    """The linear-Gaussian model of two levels; its posterior is the exact one, or another."""
    terms = {"reconstruction": Reconstruction(), "kl": KL()} | more.pop("objective", {})
    family = VariationalAutoencoder(
        SPEC, MLP(hidden=()), 2, partial(kind, levels=2, hidden=()), partial(GaussianLikelihood, sigma=SIGMA), terms,
        {"model": Tuning(partial(torch.optim.Adam), 1e-3)}, prior=LevelPrior, **more,
    ).double()  # fmt: skip
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in family.coder.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
        decoder = next(m for m in family.coder.decoder.modules() if isinstance(m, torch.nn.Linear))
        assert decoder.weight.shape[1] == (3 if kind is ResidualLevels else 2)
        decoder.weight.zero_()
        decoder.weight[:, :2] = W
        decoder.bias.zero_()
        put(family.coder.bottleneck.generative[0][0], A, TAU)
        if exact:
            exact_posterior(kind, family.coder)
    return family


def put(layer: Any, weight: Tensor, std: float | Tensor) -> None:
    """A layer that gives the mean weight·input and a standard deviation whatever its input."""
    d = len(weight)
    layer.weight.zero_()
    layer.bias.zero_()
    layer.weight[:d] = weight
    layer.bias[d:] = torch.as_tensor(std, dtype=torch.float64).log()


def gaussian_given(prior: Tensor, weight: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Of y = weight·u + noise of a covariance, u ~ N(0, prior): M with E[u|y] = M y, and Cov[u|y]."""
    cov = torch.linalg.inv(torch.linalg.inv(prior) + weight.T @ torch.linalg.inv(variance) @ weight)
    return cov @ weight.T @ torch.linalg.inv(variance), cov


def exact_posterior(kind: type[Levels], coder: Any) -> None:
    """q(z₂|x) q(z₁|z₂, x) by Gaussian conditioning, for inference from above.

    Cov[z₁|z₂, x] = (I/τ² + WᵀW/σ²)⁻¹ is diagonal where the columns of W are orthogonal, as made so here.
    """
    eye = torch.eye(3, dtype=torch.float64)
    top, top_cov = gaussian_given(torch.eye(1).double(), W @ A, TAU**2 * W @ W.T + SIGMA**2 * eye)
    bottleneck = coder.bottleneck
    bottleneck.upward[0][0].weight.copy_(eye)
    bottleneck.upward[0][0].bias.zero_()
    low, high = bottleneck.inferred[0][0], bottleneck.inferred[1][0]
    precision = W.square().sum(0) / SIGMA**2
    if kind is LadderLevels:  # N(μ̂, σ̂²) ∝ p(x|z₁)
        put(low, (W / W.square().sum(0)).T, precision.rsqrt())
    else:  # μ − μₚ and σ/σₚ of q(z₁|z₂, x)
        cov = 1 / (precision + TAU**-2)
        shift = torch.cat([(cov * W / SIGMA**2).T, cov[:, None] * A / TAU**2 - A], 1)
        put(low, shift, cov.sqrt() / TAU)
    put(high, top, top_cov.diagonal().sqrt())


def images(n: int = 200) -> Tensor:
    g = torch.Generator().manual_seed(0)
    z2 = torch.randn(n, 1, generator=g, dtype=torch.float64)
    z1 = z2 @ A.T + TAU * torch.randn(n, 2, generator=g, dtype=torch.float64)
    return z1 @ W.T + SIGMA * torch.randn(n, 3, generator=g, dtype=torch.float64)


def log_p(x: Tensor) -> Tensor:
    cov = W @ (A @ A.T + TAU**2 * torch.eye(2).double()) @ W.T + SIGMA**2 * torch.eye(3).double()
    return MultivariateNormal(torch.zeros(3).double(), cov).log_prob(x)


@pytest.fixture(autouse=True)
def orthogonal(monkeypatch: pytest.MonkeyPatch) -> None:
    """W's columns orthogonal: then q(z₁|z₂, x) is diagonal and the exact posterior is in the family."""
    w = torch.linalg.qr(W)[0] * torch.tensor([1.1, 0.7], dtype=torch.float64)
    monkeypatch.setitem(globals(), "W", w)


@pytest.mark.parametrize("kind", [ResidualLevels, LadderLevels])
def test_at_the_exact_posterior_every_bound_is_the_log_likelihood(kind: type[Levels]) -> None:
    """The weights p(x, z)/q(z|x) are all p(x), so that k = 1 and k = 3 sampled bounds have no variance."""
    x, family = images(20), linear(kind, exact=True, objective={"bound": ImportanceWeightedBound()})
    x_, g = Batch(x), torch.Generator().manual_seed(0)
    with torch.no_grad():
        stepped = family.loss("model", x_, {"code": torch.randn(20, 3, generator=g, dtype=torch.float64)})
        torch.testing.assert_close(-stepped.terms["bound"], log_p(x))
        torch.testing.assert_close(family.log_prob(x, g, 3).values, log_p(x))


@pytest.mark.parametrize("kind", KINDS)
def test_elsewhere_the_elbo_is_below_and_rises_to_it_with_k(kind: type[Levels]) -> None:
    """Means over 200 images; the differences are 5 standard errors from 0 and more."""
    x, family = images(), linear(kind, exact=False)
    with torch.no_grad():
        found: list[Likelihoods] = [family.log_prob(x, torch.Generator().manual_seed(k), k) for k in (1, 5, 500)]
    gaps = [log_p(x) - likelihoods.values for likelihoods in found]
    error = [float(gap.std()) / len(x) ** 0.5 for gap in gaps]
    means = [float(gap.mean()) for gap in gaps]
    assert means[0] > 5 * error[0] and means[0] > means[1] > means[2] > -5 * error[2]
    levels = {name: part for name, part in found[0].parts.items() if name.startswith("rate_")}
    assert list(levels) == ["rate_1", "rate_2"]
    torch.testing.assert_close(sum(levels.values()), found[0].parts["rate"])


@pytest.mark.parametrize("kind", [ResidualLevels, LadderLevels])
def test_at_the_exact_posterior_the_elbo_has_the_mean_of_the_log_likelihood(kind: type[Levels]) -> None:
    """With the rate in closed form given the draws it is right in the mean: within 5 standard errors over 200 images."""
    x, family = images(), linear(kind, exact=True)
    with torch.no_grad():
        gap = log_p(x) - family.log_prob(x, torch.Generator().manual_seed(0)).values
    assert abs(float(gap.mean())) < 5 * float(gap.std()) / len(x) ** 0.5


def test_what_needs_a_diagonal_gaussian_or_levels_is_refused() -> None:
    with pytest.raises(PushforwardError, match=r"TotalCorrelation needs Gaussian posterior"):
        linear(LadderLevels, exact=False, objective={"tc": TotalCorrelation(1.0)})
    with pytest.raises(PushforwardError, match=r"model\.gradient=score: choose from reparameterized"):
        linear(LadderLevels, exact=False, gradient="score")
    spec = DataSpec((1, 8, 8), 17, 100)
    with pytest.raises(PushforwardError, match=r"LevelPrior is of codes of several levels"):
        build_family(compose(["model=vae", "data=digits", "+model.prior._target_=pushforward.priors.LevelPrior",
                              "+model.prior._partial_=true"]), spec)  # fmt: skip
    with pytest.raises(PushforwardError, match=r"levels of LadderLevels are vectors; use model\.code=vector"):
        build_family(compose(["model=ladder_vae", "data=digits", "network=conv", "model.code=map"]), spec)
