"""Flow matching on Gaussian data, where the field is known: u_t = m + (tΣ − (1 − t)I)S⁻¹(x − tm), S = (1 − t)²I + t²Σ."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from pushforward.data.sources import plane_density
from pushforward.diffusion import Euler, FlowMatching, Heun
from pushforward.errors import PushforwardError
from pushforward.seeds import generator
from pushforward.spec import DataSpec

PLANE = DataSpec((2,), None, 100, low=-math.inf, high=math.inf)
GREY = DataSpec((1, 2, 2), 17, 100)
MEAN = torch.tensor([0.5, -0.3], dtype=torch.float64)
COV = torch.tensor([[0.6, 0.3], [0.3, 0.4]], dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)


def best_field(x: Tensor, t: Tensor, cov: Tensor = COV) -> Tensor:
    s = t.view(-1, 1, 1)
    S = (1 - s) ** 2 * EYE + s**2 * cov
    away = (x - t[:, None] * MEAN)[..., None]
    return MEAN + ((s * cov - (1 - s) * EYE) @ torch.linalg.solve(S, away))[..., 0]


def data(n: int) -> Tensor:
    noise = torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return MEAN + noise @ torch.linalg.cholesky(COV).T


def test_the_target_on_average_is_the_field() -> None:
    """E[x − ε | x_t] at t = 0.6 is linear in x_t: least squares over 200,000 pairs, to 5 standard errors of about 1/√N."""
    process, n = FlowMatching(Heun(), 2, spec=PLANE), 200_000
    noise = process.draw(n, generator("cpu", 0, "n"))
    noise["time"] = torch.full((n,), 0.6)
    seen: list[Tensor] = []

    def field(x: Tensor, t: Tensor) -> Tensor:
        seen.append(x)
        return x

    target = process.noised(field, data(n), noise).target.double()
    x = torch.cat((seen[0].double(), torch.ones(n, 1, dtype=torch.float64)), 1)
    fitted = x @ torch.linalg.lstsq(x, target).solution
    wanted = best_field(seen[0].double(), noise["time"].double())
    assert (fitted - wanted).square().mean().sqrt() < 5 * 2 / math.sqrt(n)


@pytest.mark.parametrize("width", [1.0, 0.01])
def test_the_likelihood_of_gaussian_data_is_exact(width: float) -> None:
    """With the best field and an exact trace, of wide data and of data 1/100 as wide, where −∇·v comes to 100 at the end.

    Doubling the steps divides the error by 2⁴, or by 2⁵ where the leading term cancels.
    """
    cov = width**2 * COV
    process, x = FlowMatching(Heun(), 2, spec=PLANE), MEAN + width * (data(50) - MEAN)
    wanted = MultivariateNormal(MEAN, cov).log_prob(x)

    def field(x: Tensor, t: Tensor) -> Tensor:
        return best_field(x, t, cov)

    errors = []
    for evaluations in (48, 96, 192, 384):
        scored = process.log_prob(field, x, generator("cpu", 0, "l"), evaluations)
        assert (scored.kind, scored.density, scored.evaluations) == ("estimate", True, evaluations)
        errors.append((scored.values - wanted).abs().max().item())
    assert errors[0] < 0.02 and errors[2] < 1e-3
    assert all(2**3.5 < coarse / fine < 2**5.5 for coarse, fine in pairwise(errors[1:])), errors


def test_hutchinsons_likelihood_is_right_on_average() -> None:
    """The same x 4,000 times: the mean over probes is the exact trace's value within 5 standard errors."""
    x = data(1).expand(4000, 2)
    estimates = FlowMatching(Heun(), 1, spec=PLANE).log_prob(best_field, x, generator("cpu", 0, "l"), 50).values
    exact = FlowMatching(Heun(), 2, spec=PLANE).log_prob(best_field, x[:1], generator("cpu", 0, "l"), 50).values
    assert estimates.std() > 0.01
    assert (estimates.mean() - exact[0]).abs() < 5 * estimates.std() / math.sqrt(4000)


@pytest.mark.parametrize("solver", [Euler(), Heun()])
def test_samples_of_gaussian_data(solver: Euler | Heun) -> None:
    """Mean and covariance after 200 calls: 5 standard errors at n = 20,000, and the solver's 1 %."""
    x = FlowMatching(solver, 2, spec=PLANE).sample(best_field, 20_000, generator("cpu", 0, "s"), 200)
    assert (x.double().mean(0) - MEAN).abs().max() < 5 * math.sqrt(0.6 / 20_000) + 0.01
    assert (torch.cov(x.double().T) - COV).abs().max() < 5 * 0.6 * math.sqrt(2 / 20_000) + 0.01


def test_a_still_field_leaves_noise_as_it_is() -> None:
    """v = 0: the density is N(0, I) of dequantised x in [−1, 1], times the 2 of each dimension's scale."""
    process = FlowMatching(Heun(), 2, spec=GREY)
    x = torch.randint(0, 17, (6, 1, 2, 2), generator=torch.Generator().manual_seed(0)) / 16
    scored = process.log_prob(lambda x, t: 0 * x, x, generator("cpu", 0, "l"), 10)
    u = torch.rand(6, 1, 2, 2, generator=generator("cpu", 0, "l"))
    v = 2 * (16 * x + u) / 17 - 1
    wanted = (-0.5 * v.square() - 0.5 * math.log(2 * math.pi) + math.log(2)).flatten(1).sum(1)
    torch.testing.assert_close(scored.values, wanted)


def test_samples_lie_on_levels() -> None:
    x = FlowMatching(Heun(), 2, spec=GREY).sample(lambda x, t: 0 * x, 50, generator("cpu", 0, "s"), 10)
    assert x.min() >= 0 and x.max() <= 1
    torch.testing.assert_close((x * 16).round() / 16, x)


def seen_at(process: FlowMatching, time: float, x: Tensor, noise: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """x_t and the field's target at one time."""
    found: list[Tensor] = []

    def field(x: Tensor, t: Tensor) -> Tensor:
        found.append(x)
        return x

    target = process.noised(field, x, {**noise, "time": torch.full((len(x),), time, dtype=x.dtype)}).target
    return found[0], target


def test_noise_that_shrinks_to_a_width() -> None:
    """At t = 0 it is ε, at t = 1 x + σε, and the target is the slope between: Lipman et al. 2023, eq. 22."""
    process, x = FlowMatching(Heun(), 2, sigma_min=0.1, spec=PLANE).double(), data(50)
    noise = {"noise": data(50).flip(0) - 1}
    start, target = seen_at(process, 0.0, x, noise)
    end, _ = seen_at(process, 1.0, x, noise)
    torch.testing.assert_close(start, noise["noise"])
    torch.testing.assert_close(end, x + 0.1 * noise["noise"], rtol=1e-6, atol=1e-7)  # σ is kept in float32
    torch.testing.assert_close(target, end - start, rtol=1e-6, atol=1e-7)


def test_noise_on_the_path() -> None:
    """x_t − (1 − t)ε − tx is σ times a standard normal, whose target knows nothing of it: Tong et al. 2024, eq. 14, 15."""
    process, x = FlowMatching(Heun(), 2, sigma=0.1, spec=PLANE).double(), data(20_000)
    noise = {name: one.double() for name, one in process.draw(20_000, generator("cpu", 0, "n")).items()}
    xt, target = seen_at(process, 0.3, x, noise)
    left = (xt - 0.7 * noise["noise"] - 0.3 * x) / 0.1
    torch.testing.assert_close(target, x - noise["noise"])
    assert left.std() == pytest.approx(1, abs=5 / math.sqrt(2 * left.numel()))
    assert abs(float((left * target).mean())) < 5 * float(target.std()) / math.sqrt(left.numel())


def test_paths_from_another_density_are_as_likely_as_where_they_begin() -> None:
    """A still wind v = (3, −1): samples are the density's own points moved by it, with its density there exactly."""
    start, wind = plane_density("moons"), torch.tensor([3.0, -1.0])
    process = FlowMatching(Euler(), 2, start=start, spec=PLANE)

    def field(x: Tensor, t: Tensor) -> Tensor:
        return wind.to(x).expand(len(x), 2)

    x = process.sample(field, 500, generator("cpu", 0, "s"), 20)
    torch.testing.assert_close(x, (start.sample(500, generator("cpu", 0, "s"))[0] + wind).float(), rtol=1e-5, atol=1e-5)
    scored = process.log_prob(field, x.double(), generator("cpu", 0, "l"), 400)
    # the solver's 100 steps of length 0.046 in log(s + δ) err by 0.046⁴ in x, times the log-density's slope of at most 5/σ
    torch.testing.assert_close(scored.values, start.log_prob(x.double() - wind), rtol=0, atol=0.046**4 * 50)
    assert "another density" in process.describe()["target"]


def test_images_begin_in_noise() -> None:
    with pytest.raises(PushforwardError, match="points in the plane"):
        FlowMatching(Euler(), 2, start=plane_density("moons"), spec=GREY)
