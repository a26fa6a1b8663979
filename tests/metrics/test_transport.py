"""Optimal transport against scipy's assignment, sorted points on the line, and closed forms."""

import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from pushforward.errors import PushforwardError
from pushforward.metrics.sample import frechet_distance
from pushforward.metrics.transport import wasserstein

CASES = 20
ROUNDING = 1e-10
"""Sums of 200 costs below 100 in float64: 200 · 100 · 2⁻⁵³ ≈ 2e-12 and a square root of numbers above 0.01."""


def clouds(seed: int, n: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    d = 1 + seed % 4
    x, y = torch.randn(2, n, d, dtype=torch.float64, generator=g)
    return x, y * (1 + seed / 10) + seed / 5


def deviations() -> dict[int, float]:
    worst = {1: 0.0, 2: 0.0}
    for x, y in map(clouds, range(CASES)):
        for p in (1, 2):
            cost = torch.cdist(x, y).pow(p).numpy()
            reference = cost[linear_sum_assignment(cost)].mean() ** (1 / p)
            worst[p] = max(worst[p], abs(wasserstein(x, y, p) - reference))
    return worst


def test_twenty_pairs_agree_with_an_assignment() -> None:
    worst = deviations()
    assert len(worst) == 2 and max(worst.values()) < ROUNDING, worst


def test_unequal_clouds_on_a_line_agree_with_scipy() -> None:
    x, y = clouds(0)[0], clouds(4, 37)[1]
    assert wasserstein(x, y, 1) == pytest.approx(wasserstein_distance(x.flatten(), y.flatten()), abs=ROUNDING)


def test_a_shift_costs_its_length() -> None:
    x, _ = clouds(1)
    shift = torch.tensor([3.0, -4.0], dtype=torch.float64)
    for p in (1, 2):
        assert wasserstein(x, x + shift, p) == pytest.approx(5, abs=ROUNDING)
        assert wasserstein(x, x[torch.randperm(len(x))], p) < 1e-7  # √ of rounding at most


def test_closed_form_between_gaussians() -> None:
    """Points whitened exactly, and their image under x -> Ax + b with A = Aᵀ > 0: that map is optimal (Brenier), so the
    clouds are as far apart as the Gaussians of their moments."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(400, 2, dtype=torch.float64, generator=g)
    x = x - x.mean(0)
    x = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T @ x / len(x)), x.T, upper=False).T
    a, b = torch.tensor([[1.5, 0.4], [0.4, 0.6]], dtype=torch.float64), torch.tensor([0.3, -0.7], dtype=torch.float64)
    expected = frechet_distance(torch.zeros(2), torch.eye(2), b, a @ a)
    assert wasserstein(x, x @ a + b, 2) == pytest.approx(math.sqrt(expected), abs=1e-8)


def test_w1_is_below_w2() -> None:
    for x, y in map(clouds, range(CASES)):
        assert wasserstein(x, y, 1) <= wasserstein(x, y, 2) + ROUNDING


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wasserstein(torch.zeros(2501, 2), torch.zeros(2, 2), 1), "1 to 2500"),
        (lambda: wasserstein(torch.zeros(0, 2), torch.zeros(2, 2), 1), "1 to 2500"),
        (lambda: wasserstein(torch.zeros(2, 2), torch.zeros(2, 3), 1), "expected"),
        (lambda: wasserstein(torch.zeros(2, 2), torch.full((2, 2), math.nan), 1), "not finite"),
        (lambda: wasserstein(torch.zeros(2, 2), torch.zeros(2, 2), 3), "1 or 2"),  # type: ignore[arg-type]
    ],
)
def test_refusals(call, message) -> None:
    with pytest.raises(PushforwardError, match=message):
        call()
