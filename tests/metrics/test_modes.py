"""Modes found, high quality and evenness of samples whose answer is known."""

import math

import pytest
import scipy.stats
import torch

from pushforward.data.sources.densities import grid, ring
from pushforward.errors import PushforwardError
from pushforward.metrics.modes import high_quality_of_truth, mode_coverage, nearest_mode

N = 20_000


def test_truth_finds_all_and_988_in_a_thousand_are_good() -> None:
    assert high_quality_of_truth(2) == pytest.approx(1 - math.exp(-4.5), abs=1e-12)
    for d in (1, 3, 7):
        assert high_quality_of_truth(d) == pytest.approx(scipy.stats.chi2.cdf(9, d), abs=1e-12)
    for make, k in ((ring, 8), (grid, 25)):
        density = make()
        x, _ = density.sample(N, torch.Generator().manual_seed(0))
        found = mode_coverage(x, density.modes, density.mode_width)
        share = high_quality_of_truth(2)
        assert found["found"] == k
        assert found["high_quality"] == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / N))
        # 2n·KL is χ² with k − 1 degrees of freedom
        assert found["reverse_kl"] < scipy.stats.chi2.ppf(1 - 1e-6, k - 1) / (2 * N)


def test_collapse_to_half_of_the_modes_costs_log_2() -> None:
    modes = grid().modes[:8]
    found = mode_coverage(modes[:4].repeat(5, 1), modes, 0.05)
    assert found == pytest.approx({"found": 4, "high_quality": 1, "reverse_kl": math.log(2)}, abs=1e-12)


def test_a_mode_needs_one_good_sample() -> None:
    """At 3.01 σ a sample counts for its mode's share, and finds nothing."""
    modes = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    x = torch.tensor([[0.301, 0.0], [4.0, 0.299]])
    found = mode_coverage(x, modes, 0.1)
    assert found["found"] == 1 and found["high_quality"] == 0.5 and found["reverse_kl"] == 0


def test_distances_do_not_cancel_far_from_the_origin() -> None:
    modes = torch.tensor([[1e4, 1e4], [1e4 + 1, 1e4]], dtype=torch.float64)
    _, distance = nearest_mode(modes + 1e-3, modes)
    assert torch.allclose(distance, torch.full((2,), math.sqrt(2) * 1e-3, dtype=torch.float64), rtol=1e-6)


def test_refusals() -> None:
    with pytest.raises(PushforwardError, match="expected σ > 0"):
        mode_coverage(torch.zeros(1, 2), torch.zeros(1, 2), 0.0)
    with pytest.raises(PushforwardError, match="expected \\(n, 2\\)"):
        mode_coverage(torch.zeros(3, 3), torch.zeros(1, 2), 1.0)
    with pytest.raises(PushforwardError, match="counted nothing"):
        mode_coverage(torch.zeros(0, 2), torch.zeros(1, 2), 1.0)
