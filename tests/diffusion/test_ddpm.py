"""Denoising diffusion against Gaussian algebra, and on Gaussian data with the best field."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from pushforward.diffusion import DDPM, Ancestral, CosineBetas, LinearBetas
from pushforward.diffusion.chain import by_log_snr, chain_of, evenly, finest
from pushforward.diffusion.process import log_mass_of_level
from pushforward.errors import PushforwardError
from pushforward.seeds import generator
from pushforward.spec import DataSpec

PLANE = DataSpec((2,), None, 100, low=-math.inf, high=math.inf)
GREY = DataSpec((1, 3, 3), 17, 100)
MEAN = torch.tensor([0.5, -0.3], dtype=torch.float64)
COV = torch.tensor([[0.6, 0.3], [0.3, 0.4]], dtype=torch.float64)
SCHEDULES = [LinearBetas(200, 5e-4, 0.05), CosineBetas(200, 0.008, 0.999)]


def ddpm(spec: DataSpec = PLANE, T: int = 1000, eta: float = 1.0) -> DDPM:
    return DDPM(
        CosineBetas(T, 0.008, 0.999) if T < 100 else LinearBetas(T, 0.1 / T, 20 / T), Ancestral(eta), spec=spec
    ).double()


def best_field(process: DDPM) -> Callable[[Tensor, Tensor], Tensor]:
    """ε̂ = −σ·score for N(MEAN, COV): the score is −(ᾱΣ + (1 − ᾱ)I)⁻¹(x − √ᾱ μ)."""

    def field(x: Tensor, t: Tensor) -> Tensor:
        t = t[0]  # every call here is at one time
        every = torch.log1p(-process.betas.double()).cumsum(0)
        alpha_bar = every[(t * process.timesteps).round().long() - 1].exp()
        total = alpha_bar * COV + (1 - alpha_bar) * torch.eye(2, dtype=torch.float64)
        return (1 - alpha_bar).sqrt() * torch.linalg.solve(total, (x - alpha_bar.sqrt() * MEAN).T).T

    return field


def data(n: int) -> Tensor:
    noise = torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return MEAN + noise @ torch.linalg.cholesky(COV).T


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_iterating_the_steps_gives_the_closed_form(schedule: LinearBetas | CosineBetas) -> None:
    """Mean factor and variance of q(x_t|x₀), one q(x_t|x_{t−1}) after another."""
    betas = schedule.betas()
    chain = chain_of(betas, torch.arange(1, 201))
    factor, variance = 1.0, 0.0
    for i, beta in enumerate(betas.tolist()):
        factor, variance = factor * math.sqrt(1 - beta), (1 - beta) * variance + beta
        assert torch.exp(0.5 * chain.log_alpha_bar[i]).item() == pytest.approx(factor, rel=1e-9)
        assert -torch.expm1(chain.log_alpha_bar[i]).item() == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("t", [torch.arange(1, 201), torch.tensor([1, 4, 30, 120, 200])])
def test_the_posterior_by_gaussian_conditioning(schedule: LinearBetas | CosineBetas, t: Tensor) -> None:
    """Of x_{i−1} ~ N(a x₀, s²) and x_i = b x_{i−1} + noise of variance v: 1/(1/s² + b²/v); its mean moves with x₀ by
    a·posterior/s², so an error of 1 in x̂₀ costs ½(a·posterior/s²)²/posterior nats: `drop`."""
    chain = chain_of(schedule.betas(), t)
    for i in range(1, len(t)):
        before, now = chain.log_alpha_bar[i - 1].exp().item(), chain.log_alpha_bar[i].exp().item()
        s2, b = 1 - before, math.sqrt(now / before)
        posterior = 1 / (1 / s2 + b**2 / (1 - b**2))
        assert chain.posterior_variance[i].item() == pytest.approx(posterior, rel=1e-6)
        cost = 0.5 * (math.sqrt(before) * posterior / s2) ** 2 / posterior
        assert chain.drop[i].item() == pytest.approx(cost, rel=1e-6)
    assert chain.drop[0] == 0 and chain.posterior_variance[0] == 0 and chain.spare.abs().max() == 0


def test_a_wide_chains_cost_is_a_kl_of_gaussians() -> None:
    """KL(N(μ̃, β̃) ‖ N(μ, β)) of one dimension whose x̂₀ is off by 0.7."""
    chain = chain_of(LinearBetas(200, 5e-4, 0.05).betas(), torch.tensor([1, 4, 30, 120, 200]), wide=True)
    for i in range(1, 5):
        before, now = chain.log_alpha_bar[i - 1].exp(), chain.log_alpha_bar[i].exp()
        beta = 1 - now / before
        off = 0.7 * before.sqrt() * beta / (1 - now)
        q, p = Normal(0.0, chain.posterior_variance[i].sqrt()), Normal(off, beta.sqrt())
        found = chain.drop[i] * 0.7**2 + chain.spare[i]
        torch.testing.assert_close(found, torch.distributions.kl_divergence(q, p), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 50, 1000])
def test_chosen_levels(steps: int) -> None:
    betas = LinearBetas(1000, 1e-4, 0.02).betas()
    t = evenly(betas, steps)
    assert len(t) == steps and t[-1] == 1000 and bool((t.diff() > 0).all())
    for least in (0.0, 0.1):
        t = by_log_snr(betas, steps, least)
        assert steps * 0.9 <= len(t) <= steps and t[-1] == 1000 and bool((t.diff() > 0).all())
        sigma = torch.sqrt(-torch.expm1(torch.log1p(-betas).cumsum(0)))
        if steps > 1:
            first = int(t[0])
            assert (first == 1 or sigma[first - 1] <= least) and (sigma[first] > least or least == 0)


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize(("mean", "sigma"), [(0.3, 0.05), (-1.4, 0.3), (0.99, 2.0), (0.0, 0.004)])
def test_the_mass_of_all_levels_is_one(levels: int, mean: float, sigma: float) -> None:
    v = 2 * torch.arange(levels, dtype=torch.float64) / (levels - 1) - 1
    log_mass = log_mass_of_level(v, torch.tensor(mean).double(), torch.tensor(sigma).double(), levels)
    assert log_mass.exp().sum().item() == pytest.approx(1, abs=1e-6)  # a ratio is kept 1e-7 from 1
    if 0 < levels // 2 < levels - 1:
        edges = torch.stack((v[levels // 2] - 1 / (levels - 1), v[levels // 2] + 1 / (levels - 1)))
        mass = Normal(mean, sigma).cdf(edges).diff().item()
        assert log_mass[levels // 2].exp().item() == pytest.approx(mass, abs=1e-7)


def test_mass_far_out_is_finite_with_a_gradient() -> None:
    mean = torch.full((17,), 1.0, requires_grad=True)
    log_mass = log_mass_of_level(2 * torch.arange(17) / 16 - 1, mean, torch.tensor(0.01), 17)
    (gradient,) = torch.autograd.grad(log_mass.sum(), mean)
    assert bool(log_mass.isfinite().all()) and bool(gradient.isfinite().all())
    assert log_mass[0] < -10_000


def bound(T: int, steps: int, n: int = 200_000) -> tuple[float, float]:
    """Mean gap between log p(x) and the bound on Gaussian data, and its standard error."""
    process, x = ddpm(T=T), data(n)
    scored = process.log_prob(best_field(process), x, generator("cpu", 0, "bound"), steps)
    assert scored.kind == "lower bound" and scored.density
    torch.testing.assert_close(scored.values, -scored.parts["rate"] - scored.parts["distortion"])
    gap = MultivariateNormal(MEAN, COV).log_prob(x) - scored.values
    return gap.mean().item(), gap.std().item() / math.sqrt(n)


def test_the_bound_lies_below_and_its_gap_shrinks_with_the_steps() -> None:
    """With the best field; as T grows, and as the chain through one T gets finer. 4 standard errors apart."""
    for gaps in ([bound(T, T) for T in (6, 24, 96)], [bound(1000, s) for s in (5, 20, 80)]):
        assert all(mean > 4 * error for mean, error in gaps[:2])
        for (wide, e1), (narrow, e2) in pairwise(gaps):
            assert wide - narrow > 4 * math.hypot(e1, e2)
    assert bound(1000, 1000, n=20_000)[0] < 0.05


@pytest.mark.parametrize("T", [100, 1000])
def test_the_probability_flow_of_gaussian_data_is_exact(T: int) -> None:
    """With the best field at every noise level. What is left: the chain's least noise at the start, its most at the end."""
    process, x = ddpm(T=T), data(2000)
    table = 0.5 * torch.log(torch.expm1(-process.log_alpha_bar.double()))

    def field(x: Tensor, t: Tensor) -> Tensor:
        at = t[0] * T - 1
        low = at.floor().clamp(0, T - 2).long()
        alpha_bar = torch.sigmoid(-2 * torch.lerp(table[low], table[low + 1], at - low))
        total = alpha_bar * COV + (1 - alpha_bar) * torch.eye(2, dtype=torch.float64)
        return (1 - alpha_bar).sqrt() * torch.linalg.solve(total, (x - alpha_bar.sqrt() * MEAN).T).T

    true = MultivariateNormal(MEAN, COV).log_prob(x)
    scored = process.flow_log_prob(field, x, generator("cpu", 0, "flow"), 400)
    assert scored.kind == "estimate" and scored.density and scored.evaluations == 400
    start = (
        1 - process.log_alpha_bar[0].exp().item()
    )  # noise that the flow starts with, beside eigenvalues of 0.2 and more
    bias = (MultivariateNormal(MEAN, COV + start * torch.eye(2, dtype=torch.float64)).log_prob(x) - true).abs()
    end = (
        math.exp(0.5 * process.log_alpha_bar[-1].item()) * MEAN.norm().item() * 4
    )  # α·μ·x_T of the last level, x_T at 4 σ
    assert bool(((scored.values - true).abs() < 2 * bias + end).all()) and end < 0.02
    errors = [
        (process.flow_log_prob(field, x, generator("cpu", 0, "flow"), steps).values - scored.values).abs().mean()
        for steps in (20, 40)
    ]
    assert errors[0] > 2 * errors[1]  # a solver of second order gains 4; the schedule is a polygon


def test_the_training_bound_is_the_chains() -> None:
    """Averaged over its random step, the estimate of −ELBO is that of the whole chain; 5 standard errors, both sides."""
    process, x = ddpm(T=12), data(2000)
    field, n = best_field(process), len(x)
    whole = -process.log_prob(field, x, generator("cpu", 0, "whole"), 12).values
    every = []
    for i in range(12):
        noise = process.draw(n, generator("cpu", i, "step"))
        noise["time"] = torch.full((n,), (i + 0.5) / 12)
        estimate = process.noised(field, x, noise).bound
        assert estimate is not None
        every.append(estimate())
    steps = torch.stack(every).mean(0)
    error = math.hypot(whole.std().item(), steps.std().item()) / math.sqrt(n)
    assert abs(whole.mean().item() - steps.mean().item()) < 5 * error


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_samples_of_gaussian_data(eta: float) -> None:
    """All 1000 steps with the best field give its mean and covariance: 5 standard errors at n = 20,000 and 1 % of bias."""
    process = ddpm(eta=eta)
    x = process.sample(best_field(process), 20_000, generator("cpu", 0, "s"), 1000)
    assert (x.mean(0) - MEAN).abs().max() < 5 * math.sqrt(0.6 / 20_000) + 0.01
    assert (torch.cov(x.T) - COV).abs().max() < 5 * 0.6 * math.sqrt(2 / 20_000) + 0.01


def test_ddim_is_a_function_of_its_start() -> None:
    """η = 0 with the best field, two generators that agree in the first draw alone."""
    process = ddpm(eta=0.0)
    field = best_field(process)
    starts: list[Tensor] = []

    def noting(x: Tensor, t: Tensor, into: list[Tensor]) -> Tensor:
        into.append(x)
        return field(x, t)

    x = process.sample(partial(noting, into=starts), 5, generator("cpu", 0, "s"), 20)
    assert len(starts) == 20
    again = process.sample(field, 5, generator("cpu", 0, "s"), 20)
    assert torch.equal(x, again)
    longer = process.sample(field, 5, generator("cpu", 0, "s"), 200)
    assert 0 < (x - longer).abs().max() < 0.2  # the same path, traced more finely


def test_predictions_round_trip() -> None:
    """ε in, x̂₀ out: x_t = α x₀ + σ ε gives x₀ back at every level."""
    process = ddpm(GREY)
    g = torch.Generator().manual_seed(0)
    x0 = 2 * torch.rand(8, 1, 3, 3, generator=g, dtype=torch.float64) - 1
    eps = torch.randn(8, 1, 3, 3, generator=g, dtype=torch.float64)
    for t in (1, 10, 500, 1000):
        la = chain_of(process.betas, torch.tensor([t])).log_alpha_bar[0]
        xt = torch.exp(0.5 * la) * x0 + torch.sqrt(-torch.expm1(la)) * eps
        found = process.denoised(lambda x, t: eps, xt, torch.tensor(t), la)
        torch.testing.assert_close(found, x0, rtol=0, atol=1e-11)


def test_a_field_that_knows_the_image_pays_almost_nothing() -> None:
    """With ε known exactly, the rate is the prior's KL, and the decoder names the level within half a bin at σ."""
    process = ddpm(GREY)
    x = torch.randint(0, 17, (50, 1, 3, 3), generator=torch.Generator().manual_seed(0)).double() / 16
    x0 = process.centre(x)
    every = torch.log1p(-process.betas).cumsum(0)

    def field(xt: Tensor, t: Tensor) -> Tensor:
        la = every[(t * 1000).round().long() - 1].view(-1, 1, 1, 1)
        return (xt - torch.exp(0.5 * la) * x0) / torch.sqrt(-torch.expm1(la))

    scored = process.log_prob(field, x, generator("cpu", 0, "l"), 50)
    assert not scored.density and scored.evaluations <= 50
    torch.testing.assert_close(scored.parts["rate"], process.prior(x0, every[-1]))
    # σ is at most half a bin's width: an inner level keeps at least Φ(1) − Φ(−1) = 0.683 of the mass
    assert scored.parts["distortion"].max() <= -9 * math.log(0.6826)


def two_patterns(levels: int) -> tuple[DataSpec, Tensor]:
    """Two equally likely images of 64 pixels on the outer levels: −log p is ln 2 of each."""
    x = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(3)) > 0.5).double()
    return DataSpec((1, 8, 8), levels, 100), x


def field_of(process: DDPM, x: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The best ε̂ for equally likely images x, between levels too: of the softmax mean of the images."""
    centred = process.centre(x)
    table = 0.5 * torch.log(torch.expm1(-process.log_alpha_bar.double()))

    def field(xt: Tensor, t: Tensor) -> Tensor:
        at = t[0].double() * process.timesteps - 1
        low = at.floor().clamp(0, process.timesteps - 2).long()
        alpha_bar = torch.sigmoid(-2 * torch.lerp(table[low], table[low + 1], at - low))
        away = (xt[:, None] - alpha_bar.sqrt() * centred).square().flatten(2).sum(2)
        weights = torch.softmax(-away / (2 * (1 - alpha_bar)), 1)
        mean = torch.einsum("nk,kchw->nchw", weights, centred)
        return (xt - alpha_bar.sqrt() * mean) / (1 - alpha_bar).sqrt()

    return field


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_of_data_with_levels_both_bounds_are_the_truth_and_the_decoders_doubt(levels: int) -> None:
    """−log p by the best field: ln 2, and −log Φ(half a bin / σ) a pixel of an outer level at the chain's least noise σ.

    The flow has the density of what is noised exactly, up to its solver; 50 steps of the chain lose some tenths.
    """
    spec, patterns = two_patterns(levels)
    process = ddpm(spec)
    field, x = field_of(process, patterns), patterns.repeat(200, 1, 1, 1)
    sigma = process.scales(process.log_alpha_bar[finest(process.betas, process.least) - 1])[1].item()
    truth = math.log(2) - 64 * Normal(0, 1).cdf(torch.tensor(1 / (levels - 1) / sigma)).log().item()
    chain = process.log_prob(field, x, generator("cpu", 0, "chain"), 50)
    flow = process.flow_log_prob(field, x, generator("cpu", 0, "flow"), 201)
    assert sigma <= 0.5 and chain.evaluations > 20 and flow.evaluations == 201
    assert not flow.density and not chain.density
    for scored, most in ((chain, 0.5), (flow, 0.1)):
        error = 4 * scored.values.std().item() / math.sqrt(len(x))
        assert -error < -scored.values.mean().item() - truth < most + error


def test_samples_lie_on_levels() -> None:
    process = ddpm(GREY)
    x = process.sample(lambda x, t: torch.zeros_like(x), 20, generator("cpu", 0, "s"), 10)
    assert x.min() >= 0 and x.max() <= 1
    torch.testing.assert_close((x * 16).round() / 16, x)


def test_a_schedule_out_of_range_is_refused() -> None:
    with pytest.raises(PushforwardError, match="between 0 and 1"):
        DDPM(LinearBetas(10, 0.0, 0.5), Ancestral(1.0), spec=PLANE)
