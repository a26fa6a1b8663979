"""Mean flow between Gaussians, where the average velocity is known.

From N(0, 1) to N(0, s²) the flow of x_t = (1 − t)ε + tx is x ↦ a(t')/a(t)·x with a² = (1 − t)² + t²s², so that
u(x, t, span) = (a(t + span)/a(t) − 1)/span·x.
"""

import math

import pytest
import torch
from torch import Tensor

from pushforward.diffusion import MeanFlow
from pushforward.diffusion.mean_flow import matched
from pushforward.seeds import generator
from pushforward.spec import DataSpec

LINE = DataSpec((1,), None, 100, low=-math.inf, high=math.inf)
WIDTH = 3.0


def width(t: Tensor) -> Tensor:
    return ((1 - t) ** 2 + t**2 * WIDTH**2).sqrt()


def velocity(x: Tensor, t: Tensor) -> Tensor:
    return x * ((t - 1 + t * WIDTH**2) / width(t) ** 2)[:, None]


def average(x: Tensor, t: Tensor, span: Tensor) -> Tensor:
    """The average velocity; at a span of 0 the velocity."""
    safe = torch.where(span > 0, span, 1.0)
    u = x * ((width(t + safe) / width(t) - 1) / safe)[:, None]
    return torch.where((span > 0)[:, None], u, velocity(x, t))


def mean_flow(apart: float = 0.5) -> MeanFlow:
    return MeanFlow(-0.4, 1.0, apart, 2, spec=LINE)


def test_the_average_velocity_is_its_own_target() -> None:
    """The identity u = v + s·du/dt holds exactly, to rounding in float64, with a derivative that autograd takes."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(500, 1, generator=g, dtype=torch.float64)
    t = torch.rand(500, generator=g, dtype=torch.float64)
    span = (1 - t) * torch.rand(500, generator=g, dtype=torch.float64).clamp(min=0.01)
    found = matched(average, x, velocity(x, t), t, span)
    torch.testing.assert_close(found.prediction, found.target, rtol=1e-11, atol=1e-11)
    assert not found.target.requires_grad


def test_the_target_of_pairs_is_the_average_velocity_in_the_mean() -> None:
    """E[target | x_t] = u: it is linear in the velocity x − ε. Least squares over 200,000 pairs at one t and span.

    The slope's standard error is the residual's over √(n)·std(x_t), and five of them are allowed.
    """
    process, n = mean_flow(1.0), 200_000
    noise = process.draw(n, generator("cpu", 0, "n"))
    noise["times"] = torch.tensor([0.4, -1.2]).expand(n, 2)
    x = WIDTH * torch.randn(n, 1, generator=torch.Generator().manual_seed(1))
    found = process.noised(average, x, noise)
    larger, smaller = torch.sigmoid(torch.tensor([0.0])), torch.sigmoid(torch.tensor([-1.6]))
    xt = larger * noise["noise"] + (1 - larger) * x
    wanted = average(torch.ones(1, 1), 1 - larger, larger - smaller)
    target = found.target[:, 0].double()
    slope = float((target @ xt[:, 0].double()) / xt.double().square().sum())
    error = float((target - slope * xt[:, 0]).std() / (math.sqrt(n) * xt.std()))
    assert abs(slope - float(wanted)) < 5 * error


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_any_number_of_steps_is_exact(steps: int) -> None:
    """With the true average velocity samples are WIDTH times their noise, in one step as in seven."""
    x = mean_flow().sample(average, 200, generator("cpu", 0, "s"), steps)
    torch.testing.assert_close(x, WIDTH * torch.randn(200, 1, generator=generator("cpu", 0, "s")), rtol=1e-5, atol=1e-5)


def test_the_likelihood_is_that_of_the_velocity() -> None:
    """log N(0, WIDTH²), by 200 calls of u over a span of 0; Runge–Kutta's error at that many is below 1e-3."""
    x = WIDTH * torch.randn(50, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scored = mean_flow().log_prob(average, x, generator("cpu", 0, "l"), 200)
    wanted = torch.distributions.Normal(0.0, WIDTH).log_prob(x).sum(1)
    torch.testing.assert_close(scored.values, wanted, rtol=0, atol=1e-3)


def test_ends_lie_in_time_and_are_apart_as_often_as_said() -> None:
    """0 ≤ t ≤ t + span ≤ 1; of 20,000 images a quarter have a span, within 5 standard errors."""
    process, n = mean_flow(0.25), 20_000
    seen: list[Tensor] = []

    def field(x: Tensor, t: Tensor, span: Tensor) -> Tensor:
        seen[:] = [t, span]
        return x

    process.noised(field, torch.zeros(n, 1), process.draw(n, generator("cpu", 0, "n")))
    t, span = (value.detach() for value in seen)
    assert bool((t >= 0).all() and (span >= 0).all() and (t + span <= 1 + 1e-6).all())
    assert float((span > 0).float().mean()) == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / n))
