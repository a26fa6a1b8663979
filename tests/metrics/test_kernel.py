"""Kernel distance against torchmetrics' own arithmetic, against pairs counted one by one, and under equality."""

import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from pushforward.errors import PushforwardError
from pushforward.metrics.kernel import kernel_distance


def normal(n: int, d: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def test_twenty_random_inputs_as_torchmetrics_has_them() -> None:
    """Both in float64: what differs is the order of sums of cubes up to 1e3."""
    worst = 0.0
    for seed in range(20):
        x, y = normal(60, 3 + seed, seed), 1.1 * normal(60, 3 + seed, 100 + seed, 0.2)
        ours, theirs = kernel_distance(x, y, block=17).value, float(poly_mmd(x, y))
        worst = max(worst, abs(ours - theirs) / max(abs(theirs), 1e-3))
    assert worst < 1e-10


def test_pairs_of_different_points_alone_count() -> None:
    x, y = normal(5, 2, 0), normal(4, 2, 1)
    k = lambda a, b: float((a @ b / 2 + 1) ** 3)  # noqa: E731
    xx = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / (5 * 4)
    yy = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / (4 * 3)
    xy = sum(k(a, b) for a in x for b in y) / (5 * 4)
    assert kernel_distance(x, y).value == pytest.approx(xx + yy - 2 * xy, rel=1e-12)


def test_mean_zero_under_equality_and_errors_that_tell_the_spread() -> None:
    equal = torch.tensor([kernel_distance(normal(80, 4, s), normal(80, 4, 500 + s)).value for s in range(60)])
    assert equal.min() < 0 < equal.max()
    assert abs(float(equal.mean())) < 4 * float(equal.std()) / 60**0.5
    apart = [kernel_distance(normal(200, 4, s), normal(200, 4, 500 + s, 0.7)) for s in range(60)]
    values = torch.tensor([a.value for a in apart])
    said = torch.tensor([a.standard_error for a in apart]).square().mean().sqrt()
    assert 0.7 < float(values.std() / said) < 1.4  # a standard deviation of 60 draws is known to 1/√120 = 9 %, times 4


def test_one_image_has_no_pairs() -> None:
    with pytest.raises(PushforwardError, match="pairs need at least 2"):
        kernel_distance(normal(1, 3, 0), normal(5, 3, 1))
