"""EDM and score matching against Gaussian algebra, with the best field."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from pushforward.diffusion import EDM, ProbabilityFlowHeun, ScoreMatching
from pushforward.diffusion.process import Field
from pushforward.errors import PushforwardError
from pushforward.seeds import generator
from pushforward.spec import DataSpec

PLANE = DataSpec((2,), None, 100, low=-math.inf, high=math.inf)
GREY = DataSpec((1, 2, 2), 17, 100)
MEAN = torch.tensor([0.5, -0.3], dtype=torch.float64)
COV = torch.tensor([[0.6, 0.3], [0.3, 0.4]], dtype=torch.float64)
TRUE = MultivariateNormal(MEAN, COV)


def edm(spec: DataSpec = PLANE) -> EDM:
    return EDM(0.002, 80.0, 7.0, ProbabilityFlowHeun(), 0.5, -1.2, 1.2, spec=spec)


def score(spec: DataSpec = PLANE) -> ScoreMatching:
    return ScoreMatching(0.01, 50.0, 7.0, ProbabilityFlowHeun(), spec=spec)


def denoised(xs: Tensor, sigma: float) -> Tensor:
    """E[x|x_σ] = μ + Σ(Σ + σ²I)⁻¹(x_σ − μ)."""
    total = COV + sigma**2 * torch.eye(2, dtype=torch.float64)
    return MEAN + (COV @ torch.linalg.solve(total, (xs - MEAN).T)).T


def best(process: EDM | ScoreMatching) -> Field:
    """The field whose `image` is E[x|x_σ]."""

    def field(x: Tensor, t: Tensor) -> Tensor:
        sigma = process.low * (process.high / process.low) ** t[0]  # every call here is at one σ
        if isinstance(process, EDM):
            skip, out, into = process.scales(sigma)
            return (denoised(x / into, float(sigma)) - skip * x / into) / out
        xs = x * (1 + sigma**2).sqrt()
        return (xs - denoised(xs, float(sigma))) / sigma

    return field


PROCESSES = [edm, score]


@pytest.mark.parametrize("make", PROCESSES)
def test_samples_of_the_best_field(make: type) -> None:
    """20,000 draws: means within 4 standard errors, covariances within 5 % (their standard error is 1 %)."""
    process = make()
    x = process.sample(best(process), 20_000, generator("cpu", 0, "s"), 63).double()
    error = (COV.diag() / len(x)).sqrt()
    assert bool(((x.mean(0) - MEAN).abs() < 4 * error + 1e-3).all())
    torch.testing.assert_close(x.T.cov(), COV, rtol=0.05, atol=0.01)


@pytest.mark.parametrize("make", PROCESSES)
def test_the_flows_density(make: type) -> None:
    """log N(x; μ, Σ + low²I), but for the end's N(0, high²I) without μ: ‖z‖·‖μ‖/high at ‖z‖ deviations, 4 at the most here."""
    process = make()
    x = TRUE.sample((50,))
    found = process.log_prob(best(process), x, generator("cpu", 0, "l"), 400)
    wanted = MultivariateNormal(MEAN, COV + process.low**2 * torch.eye(2)).log_prob(x)
    assert found.kind == "estimate" and found.density
    torch.testing.assert_close(found.values, wanted, rtol=0, atol=4 * float(MEAN.norm()) / process.high)


def test_a_field_of_zero_denoises_centred_data_of_edms_deviation() -> None:
    """c_skip·x_σ = x_σ·σ_data²/(σ_data² + σ²) is the denoiser of N(0, σ_data²)."""
    xs, sigma = torch.randn(5, 2, dtype=torch.float64), torch.full((5,), 0.7, dtype=torch.float64)
    found = edm().image(lambda x, t: torch.zeros_like(x), xs, sigma)
    torch.testing.assert_close(found, xs * 0.25 / (0.25 + 0.49))


def test_edms_targets_have_unit_variance() -> None:
    """On data of σ_data, at every σ: 1 by eq. 8 of the paper; the standard error of 100,000 squares is 0.5 %."""
    process = edm()
    x = 0.5 * torch.randn(50_000, 2, generator=torch.Generator().manual_seed(0))
    noise = process.draw(len(x), generator("cpu", 0, "n"))
    target = process.noised(lambda x, t: x, x, noise).target
    assert float(target.square().mean()) == pytest.approx(1, abs=0.02)


def test_edms_loss_is_the_weighted_error_of_the_image() -> None:
    """‖target − F‖² = ‖x̂ − x‖²/c_out²."""
    process, x = edm(), torch.randn(6, 2, dtype=torch.float64)
    noise = {k: v.double() for k, v in process.draw(6, generator("cpu", 0, "n")).items()}
    field: Field = lambda x, t: x.sin() + t[:, None]  # noqa: E731
    found = process.noised(field, x, noise)
    sigma = (process.mean + process.std * noise["level"]).exp()
    image = process.image(field, x + sigma[:, None] * noise["noise"], sigma)
    out = process.scales(sigma)[1]
    error = (found.target - found.prediction).square().sum(1)
    torch.testing.assert_close(error, (image - x).square().sum(1) / out.square())


@pytest.mark.parametrize("make", PROCESSES)
def test_data_with_levels(make: type) -> None:
    """Samples lie on levels, and the mass of levels is no density."""
    process, field = make(GREY), lambda x, t: torch.zeros_like(x)
    x = process.sample(field, 20, generator("cpu", 0, "s"), 9)
    torch.testing.assert_close(x * 16, (x * 16).round())
    assert float(x.min()) >= 0 and float(x.max()) <= 1
    found = process.log_prob(field, x, generator("cpu", 0, "l"), 20)
    assert not found.density and found.values.shape == (20,) and bool(found.values.isfinite().all())


def test_levels_of_noise_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(PushforwardError, match="low=2 must be less than high=1"):
        ScoreMatching(2.0, 1.0, 7.0, ProbabilityFlowHeun(), spec=PLANE)
