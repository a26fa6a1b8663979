"""Balls about points: closed forms of equal distributions, ties, parity with prdc, two processes."""

import math

import pytest
import torch
from prdc import compute_prdc

from pushforward.errors import PushforwardError
from pushforward.metrics.distances import nearest
from pushforward.metrics.manifold import (
    PrecisionRecallDensityCoverage,
    precision_recall_density_coverage,
    radii,
    within,
)

NAMES = ["precision", "recall", "density", "coverage"]


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_radii_and_balls_on_a_line() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert radii(x, 1).tolist() == [1, 1, 2, 4] and radii(x, 2, block=3).tolist() == [3, 2, 3, 6]
    # about 0 to 1, 1 to 1, 3 to 2, 7 to 4: open balls
    points = torch.tensor([[-1.0], [-0.9], [2.0], [11.0], [10.9], [1.0]])
    assert within(points, x, radii(x, 1), block=2).tolist() == [False, True, True, False, True, True]
    assert [t.tolist() for t in nearest(points, x, block=4)] == [
        pytest.approx([1, 0.9, 1, 4, 3.9, 0], abs=1e-6),
        [0, 0, 1, 3, 3, 1],
    ]
    for k in (0, 4):
        with pytest.raises(PushforwardError, match=f"k={k} nearest others of 4 points"):
            radii(x, k)


def test_far_from_the_origin_nothing_is_lost() -> None:
    x = normal(100, 6, 0).double()
    expected = torch.cdist(x, x).topk(4, largest=False).values[:, 3]  # the first is itself
    # cancellation leaves ~1e-16 of ‖x‖² about the mean; 1e5 away float64 keeps coordinates to 1e-11
    assert torch.allclose(radii(x + 1e5, 3), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_parity_with_prdc(seed: int) -> None:
    """Counts over the same float64 distances: equal but for the order of their last sums."""
    real, fake = normal(150, 8, seed), (0.6 + 0.02 * seed) * normal(120, 8, seed + 100) + 0.1
    theirs = compute_prdc(real_features=real.double().numpy(), fake_features=fake.double().numpy(), nearest_k=5)
    ours = precision_recall_density_coverage(real, fake, 5, block=64)
    assert list(ours) == NAMES and 0 < ours["recall"] < 1
    assert dict(ours) == pytest.approx({key: float(value) for key, value in theirs.items()}, abs=1e-12)


def test_equal_distributions_have_density_1_and_a_known_coverage() -> None:
    """E coverage = 1 − ∏_{i=1..k} (N − i)/(2N − i), Naeem et al. 2020, appendix A, in any dimension.

    30 pairs; 4 standard errors of their mean.
    """
    n, k = 200, 5
    found = [precision_recall_density_coverage(normal(n, 4, 2 * i), normal(n, 4, 2 * i + 1), k) for i in range(30)]
    coverage = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    for name, expected in (("density", 1.0), ("coverage", coverage)):
        values = torch.tensor([f[name] for f in found])  # type: ignore[literal-required]
        assert float(values.mean()) == pytest.approx(expected, abs=4 * float(values.std()) / 30**0.5)
        assert float(values.std()) < 0.1


def test_far_and_collapsed_ones() -> None:
    real = normal(200, 4, 0)
    assert set(precision_recall_density_coverage(real, real + 100).values()) == {0}
    # all fakes at one real point: precise, covering what has that point within its k nearest, recalling nothing
    collapsed = precision_recall_density_coverage(real, real[:1].expand(50, 4), 5)
    distances = torch.cdist(real.double(), real[:1].double()).squeeze(1)
    around = int((distances < radii(real, 5)).sum())
    assert collapsed["precision"] == 1 and collapsed["recall"] == 0
    assert collapsed["coverage"] == pytest.approx(around / 200) and collapsed["density"] == pytest.approx(around / 5)


@pytest.mark.parametrize("shift", [0, 0.3, 1e4])
def test_a_copy_of_the_k_th_neighbour_is_outside(shift: float) -> None:
    """The ball about each real point reaches just to its neighbour: with fakes there and elsewhere far away none is
    covered but by itself, however the distances round."""
    real = (normal(60, 7, 3) + shift).double()
    for i in range(10):
        d = torch.cdist(real[i : i + 1], real).squeeze(0)
        neighbour = real[d.argsort()[3]][None]
        assert not within(neighbour, real[i : i + 1], radii(real, 3)[i : i + 1]).any()
        assert within(neighbour, real[i : i + 1], radii(real, 4)[i : i + 1]).all()


BODY = """
from pushforward.metrics.manifold import PrecisionRecallDensityCoverage
metric = PrecisionRecallDensityCoverage(3)
metric.update(mine[0], real=True)
metric.update(mine[1], real=False)
found = dict(metric.compute())
"""


def test_two_processes_equal_one(two_processes) -> None:
    real, fake = normal(60, 5, 0), 1.2 * normal(50, 5, 1)
    expected = precision_recall_density_coverage(real, fake, 3)
    metric = PrecisionRecallDensityCoverage(3)
    for part in real.split(17):
        metric.update(part, real=True)
    metric.update(fake, real=False)
    assert dict(metric.compute()) == dict(expected)
    for found in two_processes(BODY, real, fake):
        assert found == pytest.approx(dict(expected), abs=1e-12)
