"""KL on a grid against closed forms, and what it says of itself where it cannot be trusted."""

import math

import pytest
import torch

from pushforward.data.sources.densities import DENSITIES, Blobs
from pushforward.errors import PushforwardError
from pushforward.metrics.information import Gaussian, kl_divergence
from pushforward.metrics.kl_quadrature import kl_by_quadrature, midpoints


def gaussians(seed: int) -> tuple[Gaussian, Gaussian]:
    g = torch.Generator().manual_seed(seed)
    a = torch.randn(2, 2, 2, dtype=torch.float64, generator=g) / 3
    covariance = a @ a.mT + 0.2 * torch.eye(2)
    mean = torch.randn(2, 2, dtype=torch.float64, generator=g) / 2
    return Gaussian(mean[0], covariance=covariance[0]), Gaussian(mean[1], covariance=covariance[1])


def deviation() -> float:
    """The worst of 20 pairs, both directions, nats, relative above 1 nat."""
    worst = 0.0
    for seed in range(20):
        p, q = gaussians(seed)
        found = kl_by_quadrature(p.log_prob, q.log_prob, (-10, -10), (10, 10), 200_000)
        assert found.doubt(False) is None and found.doubt(True) is None
        for value, exact in ((found.forward, kl_divergence(p, q)), (found.reverse, kl_divergence(q, p))):
            worst = max(worst, abs(value - float(exact)) / max(1.0, float(exact)))
    return worst


def test_twenty_pairs_of_gaussians() -> None:
    # the midpoint rule errs by about e^{−2π²σ²/h²}: below 1e-12 for σ² ≥ 0.2 and h ≤ ¼, up to a factor |x|² ≤ 200
    assert deviation() < 1e-9


def test_a_density_has_none_to_itself_on_every_toy() -> None:
    corners = {"ring": 2, "grid": 5, "8gaussians": 5, "moons": 3, "pinwheel": 5, "checkerboard": 5}
    assert set(corners) == set(DENSITIES) - {"two_spirals"}  # seconds, for a density made as the moons' is
    for name, c in corners.items():
        density = DENSITIES[name]()
        found = kl_by_quadrature(density.log_prob, density.log_prob, (-c, -c), (c, c), 2**20)
        assert found.forward == 0 == found.reverse and found.settled and found.doubt(False) is None, name


def test_lost_modes_cost_their_share() -> None:
    """q has half of p's modes: KL(q ‖ p) = log 2; the other way round it is large, and infinite only where q is 0."""
    p, q = Blobs(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), 0.1), Blobs(torch.tensor([[1.0, 0.0]]), 0.1)
    found = kl_by_quadrature(p.log_prob, q.log_prob, (-2, -2), (2, 2), 2**20)
    assert found.reverse == pytest.approx(math.log(2), abs=1e-9)
    # half of p is at a distance of 2 from q: ½(2²/2σ²) − log 2
    assert found.forward == pytest.approx(0.5 * 4 / (2 * 0.01) - math.log(2), abs=1e-6)


def test_a_normal_misses_nothing_but_the_checkerboard_does() -> None:
    board, wide = DENSITIES["checkerboard"](), Gaussian(torch.zeros(2), log_std=torch.zeros(2) + math.log(2))
    found = kl_by_quadrature(board.log_prob, wide.log_prob, (-12, -12), (12, 12), 2**20)
    # E‖x‖² = 2·16/3 on [−4, 4)², the squares of one colour alone have it too
    expected = -math.log(32) + math.log(2 * math.pi * 4) + (32 / 3) / 8
    assert found.forward == pytest.approx(expected, abs=1e-3) and found.reverse == math.inf
    assert found.settled and found.mass_q == pytest.approx(1, abs=1e-6)


def test_mass_outside_the_grid_is_said() -> None:
    p, q = Blobs(torch.zeros(1, 2), 0.2), Blobs(torch.tensor([[0.0, 0.0], [9.0, 0.0]]), 0.2)
    found = kl_by_quadrature(p.log_prob, q.log_prob, (-2, -2), (2, 2), 2**20)
    assert found.mass_q == pytest.approx(0.5, abs=1e-6) and found.forward == pytest.approx(math.log(2), abs=1e-6)
    assert found.doubt(False) is None and "0.5 of the model's mass" in str(found.doubt(True))
    assert found.cells < 10**4  # it does not refine what refining cannot mend


def test_a_model_of_too_much_mass_is_said_both_ways() -> None:
    p = Blobs(torch.zeros(1, 2), 0.2)
    found = kl_by_quadrature(p.log_prob, lambda x: p.log_prob(x) + math.log(1.3), (-2, -2), (2, 2), 2**20)
    assert found.forward == pytest.approx(-math.log(1.3), abs=1e-6)
    assert all("1.3 of the model's mass" in str(found.doubt(reverse)) for reverse in (False, True))


def test_what_is_not_resolved_is_said() -> None:
    ring, wide = DENSITIES["ring"](), Gaussian(torch.zeros(2), log_std=torch.zeros(2))
    with pytest.raises(PushforwardError, match="1,000 cells do not resolve"):
        kl_by_quadrature(ring.log_prob, wide.log_prob, (-2, -2), (2, 2), 1000)
    sharp = Blobs(torch.zeros(1, 2), 0.004)
    found = kl_by_quadrature(wide.log_prob, sharp.log_prob, (-6, -6), (6, 6), 50_000)
    assert found.doubt(True) is not None


def test_midpoints() -> None:
    x = midpoints((-1, 0), (1, 1), 0.5)
    assert len(x) == 8 and x.mean(0).tolist() == [0, 0.5] and x.min() == -0.75
