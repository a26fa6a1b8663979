"""Solvers by their order, traces by autograd."""

import math

import pytest
import torch
from torch import Tensor

from pushforward.diffusion.ode import (
    Euler,
    Heun,
    RungeKutta,
    Solver,
    exact_divergence,
    hutchinson_divergence,
    integrate,
)


def end(solver: Solver, evaluations: int) -> float:
    """x(1) of x′ = −x + t, x(0) = 1, which is 2/e."""
    x, _ = integrate(solver, lambda x, t: t - x, torch.ones(1, dtype=torch.float64), 0.0, 1.0, evaluations)
    return x.item()


@pytest.mark.parametrize(("solver", "order"), [(Euler(), 1), (Heun(), 2), (RungeKutta(), 4)])
def test_halving_the_step_divides_the_error(solver: Solver, order: int) -> None:
    errors = [abs(end(solver, n * solver.evaluations) - 2 / math.e) for n in (32, 64)]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.05)  # the next order's share at a step of 1/32


@pytest.mark.parametrize("solver", [Euler(), Heun(), RungeKutta()])
@pytest.mark.parametrize("evaluations", [1, 2, 7, 50])
def test_calls_are_what_is_said(solver: Solver, evaluations: int) -> None:
    calls = 0

    def f(x: Tensor, t: float) -> Tensor:
        nonlocal calls
        calls += 1
        return x

    _, said = integrate(solver, f, torch.ones(1), 1.0, 0.0, evaluations)
    assert said == calls <= max(evaluations, solver.evaluations)


def field(x: Tensor) -> Tensor:
    flat = x.flatten(1)
    return (flat.sin() + flat.cumsum(1) ** 2).reshape(x.shape)


def test_exact_divergence() -> None:
    x = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        value, found = exact_divergence(field, x)
    torch.testing.assert_close(value, field(x))
    for i in range(3):
        jacobian = torch.func.jacrev(lambda x: field(x[None])[0])(x[i]).reshape(4, 4)
        torch.testing.assert_close(found[i], jacobian.trace())


def test_hutchinson_is_exact_on_average_over_all_signs() -> None:
    """The mean over all 2⁴ probes of signs is the trace itself."""
    x = torch.randn(1, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).expand(16, 4)
    probes = 2 * torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 4) - 1
    _, estimates = hutchinson_divergence(field, x, probes)
    assert estimates.std() > 0.1
    torch.testing.assert_close(estimates.mean(), exact_divergence(field, x[:1])[1][0])
