"""Likelihoods against closed forms and torch.distributions."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import distributions as td
from torch.func import functional_call, stack_module_state, vmap

from pushforward.distributions import Bernoulli, ContinuousBernoulli, DiscretizedLogistic, Gaussian, Likelihood
from pushforward.errors import PushforwardError
from pushforward.spec import DataSpec

SHAPE = (1, 3, 4)
BINARY, GREY, BYTES = (DataSpec(SHAPE, levels, 100) for levels in (2, 17, 256))
REAL = DataSpec(SHAPE, None, 100)
POINTS = DataSpec((2,), None, 100, low=-math.inf, high=math.inf)
ALL: list[Callable[[], Likelihood]] = [
    lambda: Bernoulli(spec=BINARY),
    lambda: ContinuousBernoulli(spec=GREY),
    lambda: Gaussian(0.3, spec=GREY),
    lambda: Gaussian(0.3, True, "identity", spec=GREY),
    lambda: DiscretizedLogistic(spec=GREY),
]


def given(k: int = 1, n: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    params = 3 * torch.randn(n, k, *SHAPE, generator=g)
    return params, torch.randint(0, 17, (n, *SHAPE), generator=g) / 16


def same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Sums of 12 float32 terms of at most some 50 nats: 12 × 50 × 6e-8 = 4e-5."""
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=4e-5)


def test_bernoulli() -> None:
    params, x = given()
    binary = (x > 0.5).float()
    expected = td.Independent(td.Bernoulli(logits=params[:, 0]), 3).log_prob(binary)
    same(Bernoulli(spec=BINARY).log_prob(params, binary), expected)
    assert Bernoulli(spec=BINARY).discrete and Bernoulli(spec=BINARY).describe() == "Bernoulli"
    assert not Bernoulli(spec=GREY).discrete and "cross entropy" in Bernoulli(spec=GREY).describe()


def test_continuous_bernoulli() -> None:
    params, x = given()
    expected = td.Independent(td.ContinuousBernoulli(logits=params[:, 0].double()), 3)
    ours = ContinuousBernoulli(spec=GREY)
    same(ours.log_prob(params, x), expected.log_prob(x.double()).float())
    same(ours.mean(params), expected.mean.float())
    assert not ours.discrete


def test_a_clipped_continuous_bernoulli_is_the_unclipped_one_at_the_bound() -> None:
    """λ = 1e-4 for all that is below it, so that a black pixel's density is (1 − λ) ln(1/λ − 1) / (1 − 2λ) at the most."""
    spec = DataSpec((1, 1, 1), 256, 1)
    whole, clipped = ContinuousBernoulli(spec=spec), ContinuousBernoulli(clip=1e-4, spec=spec)
    inside, below, bound = (torch.full((1, 1, 1, 1, 1), value) for value in (-3.0, -50.0, math.log(1e-4 / (1 - 1e-4))))
    black = torch.zeros(1, 1, 1, 1)
    assert torch.equal(clipped.log_prob(inside, black), whole.log_prob(inside, black))
    torch.testing.assert_close(clipped.log_prob(below, black), whole.log_prob(bound, black))
    known = math.log(math.log(1 / 1e-4 - 1) / (1 - 2e-4)) + math.log(1 - 1e-4)
    assert float(clipped.log_prob(below, black)) == pytest.approx(known, rel=1e-5)
    torch.testing.assert_close(clipped.mean(below), whole.mean(bound))


@pytest.mark.parametrize("logit", [0.0, 1e-6, -1e-3, 0.09, 0.11, -0.19, 0.21, 5.0, -30.0, 80.0, 1e4])
def test_continuous_bernoulli_is_normalised_at_every_logit(logit: float) -> None:
    """∫ p = 1 by the closed form: the density is exp(l x − A), A = ln((eˡ−1)/l), and mean is A′.

    The series are cut at a⁶/2835 = 4e-10 and l⁵/30240 = 1e-8; float32 has 6e-8 of l/2 on top.
    """
    ours = ContinuousBernoulli(spec=DataSpec((1, 1, 1), 256, 1))
    a = abs(logit)
    params = torch.full((1, 1, 1, 1, 1), logit)
    big = math.log1p(-math.exp(-a)) - math.log(a) + a if a > 1e-2 else a / 2 + a * a / 24
    log_normaliser = big if logit >= 0 else big - a
    at_zero = ours.log_prob(params, torch.zeros(1, 1, 1, 1)).item()
    assert abs(at_zero + log_normaliser) < 1e-6 + 2e-7 * a
    mean = 1 / -math.expm1(-a) - 1 / a if a > 1e-2 else 0.5 + a / 12
    assert abs(ours.mean(params).item() - (mean if logit >= 0 else 1 - mean)) < 1e-6


@pytest.mark.parametrize("mean", ["auto", "sigmoid", "identity"])
@pytest.mark.parametrize("learned", [False, True])
def test_gaussian(mean: str, learned: bool) -> None:
    params, x = given()
    ours = Gaussian(0.3, learned, mean, spec=GREY)
    centre = params[:, 0] if mean == "identity" else params[:, 0].sigmoid()
    expected = td.Independent(td.Normal(centre, 0.3), 3).log_prob(x)
    # squares up to 12 × (10/0.3)² = 1e4 nats: 1e4 × 12 × 6e-8 = 8e-3 absolute, 1e-5 relative
    torch.testing.assert_close(ours.log_prob(params, x), expected, rtol=1e-5, atol=1e-3)
    assert torch.equal(ours.mean(params), centre)
    assert len(list(ours.parameters())) == int(learned)
    assert ours.describe() == "Gaussian, σ = 0.3" + " (learned)" * learned
    assert not ours.discrete


def test_gaussian_on_points_leaves_the_mean_as_it_is() -> None:
    params, ours = torch.randn(4, 1, 2), Gaussian(spec=POINTS)
    assert torch.equal(ours.mean(params), params[:, 0])
    same(
        ours.log_prob(params, torch.zeros(4, 2)),
        td.Independent(td.Normal(params[:, 0], 1.0), 1).log_prob(torch.zeros(1)),
    )


def test_learned_sigma_has_its_optimum_at_the_root_mean_square() -> None:
    """d/d ln σ of the mean log-density is Σ e²/σ² − D: zero at σ² = mean e²."""
    params, x = given()
    rms = (x - params[:, 0].sigmoid()).square().mean().sqrt().item()
    ours = Gaussian(rms, True, spec=GREY)
    ours.log_prob(params, x).mean().backward()
    assert ours.log_sigma.grad is not None and abs(ours.log_sigma.grad.item()) < 12 * 1e-5


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_discretized_logistic_masses_sum_to_one(levels: int, dtype: torch.dtype) -> None:
    """One pixel, every level, means and scales from sharp to flat. A sum of 256 float32 masses: 256 × 6e-8 = 2e-5."""
    means, scales = torch.meshgrid(torch.linspace(-3, 3, 25), torch.linspace(-9, 9, 19), indexing="ij")
    params = torch.stack((means.flatten(), scales.flatten()), 1).to(dtype)[:, :, None, None, None]
    ours = DiscretizedLogistic(spec=DataSpec((1, 1, 1), levels, 1))
    grid = [torch.full((len(params), 1, 1, 1), k / (levels - 1)) for k in range(levels)]
    masses = torch.stack([ours.log_prob(params, x) for x in grid]).double().exp()
    assert (masses.sum(0) - 1).abs().max() < 2e-5
    expected = sum(m * x[:, 0, 0, 0] for m, x in zip(masses, grid, strict=True))
    assert (ours.mean(params).flatten() - expected).abs().max() < 2e-5


def test_discretized_logistic_is_the_difference_of_distribution_functions() -> None:
    """In float64 by torch's logistic, over [−1, 1] with bins of width 2/16 around each level."""
    params, x = given(2, 200)
    params, x = params.movedim(1, -1).reshape(-1, 2, 1, 1, 1), x.reshape(-1, 1, 1, 1)
    ours = DiscretizedLogistic(spec=DataSpec((1, 1, 1), 17, 100)).log_prob(params, x)
    m, s, v = params[:, 0].double(), params[:, 1].double().clamp(-7, 7).exp(), 2 * x.double() - 1
    upper = torch.where(v > 1 - 1e-6, 1.0, ((v - m + 1 / 16) / s).sigmoid())
    lower = torch.where(v < -1 + 1e-6, 0.0, ((v - m - 1 / 16) / s).sigmoid())
    mass = upper - lower
    keep = mass.flatten() > 1e-10  # below, float64 has cancelled
    assert keep.float().mean() > 0.5
    # edges (v − m)/s of up to 25 in a mass above 1e-10 carry 25 × 2 × 6e-8 of rounding; v and m double it
    torch.testing.assert_close(ours[keep].double(), mass.flatten().log()[keep], rtol=0, atol=1e-5)


def test_discretized_logistic_refuses_real_values() -> None:
    for spec in (REAL, DataSpec(SHAPE, 256, 100, dequantized=True)):
        with pytest.raises(PushforwardError, match=r"levels.*Use data.dequantize=false"):
            DiscretizedLogistic(spec=spec)


def test_points_are_refused_by_likelihoods_on_the_unit_interval() -> None:
    for kind in (Bernoulli, ContinuousBernoulli, DiscretizedLogistic):
        with pytest.raises(PushforwardError, match="likelihood=gaussian"):
            kind(spec=POINTS)
    with pytest.raises(PushforwardError, match="identity"):
        Gaussian(mean="sigmoid", spec=POINTS)
    with pytest.raises(PushforwardError, match="sigma=0"):
        Gaussian(0, spec=GREY)


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_finite_at_extremes(make: Callable[[], Likelihood], dtype: torch.dtype) -> None:
    """Values and gradients, for outputs from −1e4 to 1e4 at x = 0, between and 1."""
    likelihood = make()
    outputs = torch.tensor([-1e4, -100.0, -1.0, -1e-5, 0.0, 1e-5, 1.0, 100.0, 1e4])
    for level in (0.0, 0.5, 1.0):
        params = outputs.to(dtype).reshape(-1, 1, 1, 1, 1).repeat(1, likelihood.n_parameters, *SHAPE).requires_grad_()
        value = likelihood.log_prob(params, torch.full((9, *SHAPE), level))
        value.sum().backward()
        assert value.dtype == torch.float32 and value.isfinite().all()
        assert params.grad is not None and params.grad.isfinite().all()
        assert likelihood.mean(params).isfinite().all()


@pytest.mark.parametrize("make", ALL)
def test_samples_have_the_mean(make: Callable[[], Likelihood]) -> None:
    """20,000 draws of 12 pixels: within 5 standard errors, estimated from the draws themselves."""
    likelihood, n = make(), 20_000
    params = given(likelihood.n_parameters, 1)[0].clamp(-2, 2).expand(n, -1, *SHAPE)
    x = likelihood.sample(params, likelihood.draw(n, torch.Generator().manual_seed(1)))
    assert x.shape == (n, *SHAPE)
    error = (x.mean(0) - likelihood.mean(params[:1])[0]).abs()
    assert (error <= 5 * x.std(0) / n**0.5 + 1e-6).all()


@pytest.mark.parametrize("make", ALL)
def test_per_image_and_deterministic(make: Callable[[], Likelihood]) -> None:
    likelihood = make()
    params, x = given(likelihood.n_parameters)
    x = x.round() if isinstance(likelihood, Bernoulli) else x
    whole = likelihood.log_prob(params, x)
    assert whole.shape == (5,)
    assert torch.equal(whole[:1], likelihood.log_prob(params[:1], x[:1]))


@pytest.mark.parametrize("learned", [False, True])
def test_replicas_may_differ_in_sigma(learned: bool) -> None:
    params, x = given()
    replicas = [Gaussian(s, learned, spec=GREY) for s in (0.1, 1.0)]
    state = stack_module_state(replicas)
    out = vmap(
        lambda p, b: functional_call(_LogProb(replicas[0]), ({f"l.{k}": v for k, v in (p | b).items()}), (params, x))
    )(*state)
    for k, replica in enumerate(replicas):
        same(out[k], replica.log_prob(params, x))
    assert not torch.allclose(out[0], out[1])


@pytest.mark.parametrize("make", ALL)
def test_log_prob_under_vmap(make: Callable[[], Likelihood]) -> None:
    likelihood = make()
    params, x = given(likelihood.n_parameters, 6)
    out = vmap(likelihood.log_prob)(params.unflatten(0, (2, 3)), x.unflatten(0, (2, 3)))
    same(out.flatten(), likelihood.log_prob(params, x))


class _LogProb(torch.nn.Module):
    """functional_call calls forward."""

    def __init__(self, likelihood: Likelihood) -> None:
        super().__init__()
        self.l = likelihood

    def forward(self, params: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.l.log_prob(params, x)
