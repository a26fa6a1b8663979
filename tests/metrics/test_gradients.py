"""Moments of gradients against torch's own over a stack of them, and against a Gaussian of known covariance."""

import math

import pytest
import torch

from pushforward.errors import PushforwardError
from pushforward.metrics.gradients import GradientSpread, disagreement, gradient_spread


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
