"""The rate, against torch's divergence and in closed form."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from pushforward.bottlenecks import Code, GaussianPosterior
from pushforward.distributions import Gaussian
from pushforward.distributions.aggregate import log_aggregate
from pushforward.errors import PushforwardError
from pushforward.objectives import (
    KL,
    AutoencoderPass,
    CombinedBound,
    ImportanceWeightedBound,
    MultiplyImportanceWeightedBound,
    PartiallyImportanceWeightedBound,
    Reconstruction,
    TotalCorrelation,
)
from pushforward.priors import Prior, StandardNormal
from pushforward.spec import DataSpec

SPEC = DataSpec((2,), None, 12, low=-math.inf, high=math.inf)


def passed(mean: Tensor, log_std: Tensor, prior: Prior, noise: Tensor | None = None) -> AutoencoderPass:
    z = mean if noise is None else mean + log_std.exp() * noise
    likelihood = Gaussian(sigma=0.5, mean="identity", spec=SPEC).double()
    return AutoencoderPass(
        torch.zeros(len(mean), 2), Code(z, GaussianPosterior(mean, log_std)), z, z, likelihood, prior, SPEC
    )


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

    class Other(Prior):
        def log_prob(self, z: Tensor) -> Tensor:
            return Normal(1.0, 2.0).log_prob(z).sum(-1)

        def sample(self, n: int, generator: torch.Generator) -> Tensor:
            raise AssertionError("nothing is drawn")

        def describe(self) -> str:
            return "N(1, 2²)"

    n, generator = 200_000, torch.Generator().manual_seed(0)
    mean, log_std = torch.tensor([[0.3, -1.0]]), torch.tensor([[-0.2, 0.4]])
    noise = torch.randn(n, 2, generator=generator)
    found = KL()(passed(mean.expand(n, 2), log_std.expand(n, 2), Other(), noise))
    assert found.shape == (n,)
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(1.0, 2.0)).sum()
    assert abs(float(found.mean() - expected)) < 4 * float(found.std()) / n**0.5


def linear_gaussian(k: int, exact: bool, n: int = 3) -> tuple[AutoencoderPass, Tensor]:
    """z ~ N(0, I), x ~ N(z, σ²I) in the plane: a pass with k codes an image, and log p(x), which is known.

    exact: q is the posterior N(x/(1+σ²), σ²/(1+σ²)); otherwise too wide and off.
    """
    g = torch.Generator().manual_seed(k)
    x, sigma = torch.randn(n, 2, generator=g, dtype=torch.float64), 0.5
    mean, log_std = x / (1 + sigma**2), torch.full_like(x, 0.5 * math.log(sigma**2 / (1 + sigma**2)))
    if not exact:
        mean, log_std = mean + 0.4, log_std + 0.3
    z = mean + log_std.exp() * torch.randn(k, n, 2, generator=g, dtype=torch.float64)
    likelihood = Gaussian(sigma=sigma, mean="identity", spec=SPEC).double()
    made = AutoencoderPass(
        x, Code(z, GaussianPosterior(mean, log_std)), z, z.unsqueeze(2), likelihood, StandardNormal(2).double(), SPEC
    )
    return made, MultivariateNormal(x.new_zeros(2), (1 + sigma**2) * torch.eye(2, dtype=torch.float64)).log_prob(x)


@pytest.mark.parametrize("k", [1, 5])
def test_the_bound_is_exact_where_the_posterior_is(k: int) -> None:
    made, log_p = linear_gaussian(k, exact=True)
    torch.testing.assert_close(ImportanceWeightedBound()(made), -log_p)


def test_the_bound_of_one_code_is_the_elbo_and_it_rises_with_k_to_the_likelihood() -> None:
    """Burda et al. 2016, theorem 1. What is reported is log-mean-exp of the weights, written out here."""
    one, _ = linear_gaussian(1, exact=False)
    elbo = one.distortion() + one.log_density_ratio()
    torch.testing.assert_close(ImportanceWeightedBound()(one), elbo[0])
    n, bounds = 4000, list[Tensor]()
    for k in (1, 5, 50):
        made, log_p = linear_gaussian(k, exact=False, n=n)
        log_w = -(made.distortion() + made.log_density_ratio())
        found = ImportanceWeightedBound()(made)
        torch.testing.assert_close(found, -log_w.exp().mean(0).log())
        bounds.append(found + log_p)
    means = [float(gap.mean()) for gap in bounds]
    errors = [float(gap.std()) / n**0.5 for gap in bounds]
    assert means[0] > means[1] + 4 * errors[0] and means[1] > means[2] + 4 * errors[1]
    assert -4 * errors[2] < means[2] < 0.02


def test_with_several_codes_the_terms_are_means_over_them() -> None:
    made, _ = linear_gaussian(7, exact=False)
    torch.testing.assert_close(Reconstruction()(made), made.distortion().mean(0))
    assert made.distortion().shape == (7, 3) and KL()(made).shape == (3, 2)


def test_the_total_correlation_of_all_images_is_exact() -> None:
    """n = N: the stratified weights are 1/N, and the estimate is the aggregate posterior's own."""
    g = torch.Generator().manual_seed(0)
    mean, noise = torch.randn(2, SPEC.n_train, 2, generator=g, dtype=torch.float64)
    made = passed(mean, mean.new_full(mean.shape, -0.5), StandardNormal(2), noise)
    exact = log_aggregate(made.code.z, mean, mean.new_full(mean.shape, -0.5))
    found = TotalCorrelation()(made)
    assert found.shape == ()
    torch.testing.assert_close(found, (exact.joint - exact.marginals.sum(-1)).mean())


def test_the_total_correlation_of_a_gaussian_is_known() -> None:
    """½(Σ ln Σⱼⱼ − ln det Σ) for codes of correlation ρ: −½ ln(1 − ρ²)."""
    n, rho = 4000, 0.8
    spec = DataSpec((2,), None, n, low=-math.inf, high=math.inf)
    factor = torch.linalg.cholesky(torch.tensor([[1.0, rho], [rho, 1.0]], dtype=torch.float64))
    mean = torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) @ factor.T
    narrow = mean.new_full(mean.shape, math.log(0.1))
    noise = torch.randn(n, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    made: Any = passed(mean, narrow, StandardNormal(2), noise)
    made.spec = spec
    # the aggregate has variance 1.01: its correlation is ρ/1.01; the spread is that of 4,000 log ratios of about 1 nat
    assert abs(float(TotalCorrelation()(made)) + 0.5 * math.log(1 - (rho / 1.01) ** 2)) < 0.1


def test_bounds_of_groups_lie_between_the_elbo_and_the_importance_weighted_bound() -> None:
    """M = 1 is IWAE, M = k the mean of the weights' logarithms, which is CIWAE at β = 1; at β = 0 that is IWAE."""
    made, _ = linear_gaussian(8, exact=False)
    whole = ImportanceWeightedBound()(made)
    elbo = -made.log_weights().mean(1)
    torch.testing.assert_close(MultiplyImportanceWeightedBound(1)(made), whole)
    torch.testing.assert_close(MultiplyImportanceWeightedBound(8)(made), elbo)
    torch.testing.assert_close(CombinedBound(0.0)(made), whole)
    torch.testing.assert_close(CombinedBound(1.0)(made), elbo)
    between = MultiplyImportanceWeightedBound(4)(made)
    assert bool((whole <= between + 1e-12).all() and (between <= elbo + 1e-12).all()), "Jensen, for every image"


def test_groups_that_do_not_divide_are_refused() -> None:
    with pytest.raises(PushforwardError, match=r"groups=3 does not divide model\.samples=8"):
        MultiplyImportanceWeightedBound(3)(linear_gaussian(8, exact=False)[0])


def test_the_partial_bound_moves_the_decoder_as_one_bound_and_the_encoder_as_the_other() -> None:
    """Rainforth et al. 2018, eq. 14–15 (ORACLES: PIWAE): at the same noise the gradients equal those of IWAE and of MIWAE."""
    g = torch.Generator().manual_seed(0)
    x, noise = torch.randn(3, 2, generator=g).double(), torch.randn(6, 3, 2, generator=g).double()
    start = {
        "mean": torch.randn(3, 2, generator=g).double(),
        "log_std": torch.randn(3, 2, generator=g).double(),
        "weight": torch.randn(2, 2, generator=g).double(),
    }

    def gradients(term: Any) -> tuple[dict[str, Tensor], Tensor]:
        own = {name: value.clone().requires_grad_() for name, value in start.items()}
        z = own["mean"] + own["log_std"].exp() * noise
        likelihood = Gaussian(sigma=0.5, mean="identity", spec=SPEC).double()

        def decode(z: Tensor) -> Tensor:
            return (z @ own["weight"]).unsqueeze(-2)

        made = AutoencoderPass(
            x, Code(z, GaussianPosterior(own["mean"], own["log_std"])), z, decode(z), likelihood, StandardNormal(2).double(),
            SPEC, decode=decode,
        )  # fmt: skip
        value = term(made)
        return dict(zip(own, torch.autograd.grad(value.sum(), list(own.values())), strict=True)), value.detach()

    whole, value = gradients(ImportanceWeightedBound())
    apart, _ = gradients(MultiplyImportanceWeightedBound(groups=2))
    partial, reported = gradients(PartiallyImportanceWeightedBound(groups=2))
    torch.testing.assert_close(reported, value)
    torch.testing.assert_close(partial["weight"], whole["weight"])
    for name in ("mean", "log_std"):
        torch.testing.assert_close(partial[name], apart[name])
        assert float((whole[name] - apart[name]).abs().max()) > 1e-3
