"""Moments of gradients against torch's own over a stack of them, and against a Gaussian of known covariance."""

import math

import pytest
import torch

from pushforward.errors import PushforwardError
from pushforward.metrics import dimension_moments
from pushforward.metrics.gradients import GradientSpread, GradientVariance, disagreement, gradient_spread


def noisy(g: torch.Generator) -> torch.Tensor:
    """Mean (1000, −2, 0), standard deviations (1, 2, 3)."""
    return torch.tensor([1000.0, -2.0, 0.0]) + torch.tensor([1.0, 2.0, 3.0]) * torch.randn(3, generator=g)


def test_streaming_moments_are_those_of_the_stack() -> None:
    seen: list[torch.Tensor] = []
    found = gradient_spread(noisy, 100, torch.Generator().manual_seed(0), seen.append)
    stack = torch.stack(seen).double()
    assert stack.shape == (100, 3) and found.n == 100
    torch.testing.assert_close(found.mean, stack.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.variance, stack.var(0), rtol=1e-9, atol=0)  # 1000² · 1e-16 beside 1
    assert found.total_variance == pytest.approx(float(stack.T.cov().trace()), rel=1e-9)
    torch.testing.assert_close(found.signal_to_noise, stack.mean(0).abs() / stack.std(0), rtol=1e-9, atol=0)


def test_known_covariance() -> None:
    """tr Cov = 14 with standard error √(2·98/n); ‖mean‖² without bias: 4 standard errors of 2·1000/√n."""
    n = 5000
    found = gradient_spread(noisy, n, torch.Generator().manual_seed(0))
    assert abs(found.total_variance - 14) < 4 * math.sqrt(2 * (1 + 16 + 81) / n)
    assert abs(found.squared_norm - 1_000_004) < 4 * 2 * 1000 / math.sqrt(n)


def test_disagreement_is_one_where_means_are_equal() -> None:
    """z² of 2,000 parameters averages to 1 ± 4·√(2/2000); a mean that is 0.1σ off at n = 400 adds half of (0.1·20)²."""
    g = torch.Generator().manual_seed(0)

    def draws(shift: float) -> GradientSpread:
        return gradient_spread(lambda g: shift + torch.randn(2000, generator=g), 400, g)

    same, other, off = draws(0), draws(0), draws(0.1)
    assert abs(disagreement(same, other) - 1) < 4 * math.sqrt(2 / 2000) + 0.01  # t of 800 draws: 1/(1 − 2/800)
    assert abs(disagreement(same, off) - 3) < 4 * math.sqrt((2 + 4 * 2) / 2000) + 0.02


def test_one_draw_has_no_variance() -> None:
    with pytest.raises(PushforwardError, match="1 draw; a variance needs at least 2"):
        gradient_spread(noisy, 1, torch.Generator())


def test_spread_merges_parts_of_any_size() -> None:
    x = 1e6 + torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parts = [dimension_moments.of(x[rows]) for rows in torch.arange(50).split(17)] + [dimension_moments.empty(4)]
    mean, variance = dimension_moments.mean_and_variance(dimension_moments.merge(torch.stack(parts)))
    torch.testing.assert_close(mean, x.mean(0), rtol=1e-14, atol=0)
    torch.testing.assert_close(variance, x.var(0), rtol=1e-8, atol=0)  # 1e6 · 1e-16 beside 1


def test_two_processes_equal_one(two_processes) -> None:  # type: ignore[no-untyped-def]
    gradients = torch.randn(50, 5, generator=torch.Generator().manual_seed(0)) + 3
    one = GradientVariance(5)
    for g in gradients:
        one.update(g)
    wanted = {name: float(value) for name, value in one.compute().items()}
    assert wanted["total_variance"] == pytest.approx(float(gradients.double().var(0).sum()), rel=1e-12)
    found = two_processes(
        """
from pushforward.metrics.gradients import GradientVariance
metric = GradientVariance(5)
for g in mine[0]:
    metric.update(g)
found = {k: float(v) for k, v in metric.compute().items()}
""",
        gradients,
    )
    assert len(found) == 2
    for rank in found:
        assert rank == pytest.approx(wanted, rel=1e-12)
