"""Precision, recall, density and coverage against `prdc` and against what equal distributions give."""

import numpy as np
import pytest
import torch
from prdc import compute_prdc

from pushforward.errors import PushforwardError
from pushforward.metrics.manifold import (
    precision_recall_density_coverage,
    radii,
    within,
)


def normal(n: int, d: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def test_twenty_random_inputs_as_prdc_has_them() -> None:
    """prdc has float64 distances: a point exactly on a ball's rim could fall on either side, and none does here."""
    cases = 0
    for seed in range(20):
        k, d = 3 + seed % 3, 2 + 4 * (seed % 5)
        real, fake = normal(300, d, seed) + 5, 1.2 * normal(200, d, 100 + seed, 0.3) + 5
        theirs = compute_prdc(real.double().numpy(), fake.double().numpy(), nearest_k=k)
        ours = precision_recall_density_coverage(real, fake, k, block=77)
        assert ours == pytest.approx(theirs, abs=1e-12)
        cases += 1
    assert cases == 20


def test_equal_distributions_have_density_one_and_a_known_coverage() -> None:
    """Coverage of two samples of N from one density: 1 − ∏ᵢ₌₁ᵏ (N − i)/(2N − i). Naeem et al. 2020, app. A."""
    n, k, found = 400, 5, []
    for seed in range(12):
        found.append(precision_recall_density_coverage(normal(n, 8, seed), normal(n, 8, 50 + seed), k))
    i = np.arange(1, k + 1)
    expected = 1 - np.prod((n - i) / (2 * n - i))
    for name, value in (("density", 1.0), ("coverage", expected)):
        numbers = np.array([f[name] for f in found])
        error = numbers.std(ddof=1) / np.sqrt(len(numbers))
        assert abs(numbers.mean() - value) < 4 * error and error < 0.03


def test_what_is_far_away_is_off_the_manifold() -> None:
    real = normal(200, 4, 0)
    found = precision_recall_density_coverage(real, normal(200, 4, 1, shift=50.0))
    assert set(found.values()) == {0.0}
    assert within(real, real, radii(real, 3)).all()
    mixed = torch.cat((real[:30] + 1e-3, real[:10] + 50))
    assert within(mixed, real, radii(real, 3), block=7).tolist() == [True] * 30 + [False] * 10


def test_dropped_modes_cost_recall_and_not_precision() -> None:
    real = torch.cat((normal(200, 2, 0), normal(200, 2, 1, shift=30.0)))
    found = precision_recall_density_coverage(real, normal(400, 2, 2))
    assert found["precision"] > 0.9 and 0.4 < found["recall"] < 0.55 and found["coverage"] < 0.52


def test_radii_by_hand() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert radii(x, 1).tolist() == [1, 1, 2, 4] and radii(x, 2).tolist() == [3, 2, 3, 6]
    with pytest.raises(PushforwardError, match="k=4 nearest neighbours of 4 points"):
        radii(x, 4)


def test_far_from_the_origin_nothing_is_lost() -> None:
    """The product x·y loses small distances beside large norms: centring keeps them."""
    real, fake = normal(200, 6, 3), normal(200, 6, 4)
    near = precision_recall_density_coverage(real, fake)
    far = precision_recall_density_coverage(real.double() + 1e4, fake.double() + 1e4)
    assert near == far


@pytest.mark.parametrize("shift", [0.0, 0.3, 1e4])
def test_the_rim_of_a_ball_is_outside(shift: float) -> None:
    """A copy of the k-th neighbour is at just the radius, however the two distances round."""
    real = (normal(60, 7, 3) + shift).double()
    order = torch.cdist(real, real, compute_mode="donot_use_mm_for_euclid_dist").argsort(1)
    inner, rim = radii(real, 4), radii(real, 3)
    for i in range(60):
        ball, neighbour = real[i : i + 1], real[order[i, 3]][None]
        assert not within(neighbour, ball, rim[i : i + 1]) and within(neighbour, ball, inner[i : i + 1])


def test_copies_have_density_one_and_cover_all() -> None:
    """Each point has k − 1 others and itself inside its ball, whatever the density."""
    real = normal(300, 8, 0) + 5
    found = precision_recall_density_coverage(real, real[torch.arange(299, -1, -1)], 5, block=77)
    assert found == {"precision": 1, "recall": 1, "density": 1, "coverage": 1}
