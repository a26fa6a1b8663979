"""Parzen windows against scikit-learn's kernel density, and against a Gaussian that they converge to."""

import math

import pytest
import torch
from sklearn.neighbors import KernelDensity

from pushforward.errors import PushforwardError
from pushforward.metrics import parzen
from pushforward.metrics.parzen import bandwidth_grid, best_bandwidth, parzen_log_prob


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_is_scikit_learns_kernel_density() -> None:
    """20 random sets, float64. |x|² + |s|² − 2x·s rounds at 1e-14, over 2h² = 0.02 that is 1e-12; values reach 1e3."""
    most = 0.0
    for seed in range(20):
        d = 1 + seed % 7
        samples, x = normal(40 + seed, d, seed=seed) + seed, normal(30, d, seed=100 + seed) + seed
        bandwidths = [0.1, 0.5, 2.0]
        found = parzen_log_prob(x, samples, bandwidths)
        for h, values in zip(bandwidths, found, strict=True):
            theirs = KernelDensity(bandwidth=h, rtol=1e-10).fit(samples.numpy()).score_samples(x.numpy())
            most = max(most, float((values - torch.as_tensor(theirs)).abs().max()))
    print(f"largest deviation on 20 sets: {most:.1e} nats")
    assert most < 1e-10


def test_many_samples_of_a_gaussian_have_its_density_under_a_wider_window() -> None:
    """With m → ∞ it is N(0, (1 + h²) I): for m = 20,000 in 2-D within 5 standard errors of the mean of kernels."""
    samples, h, m = normal(20_000, 2, seed=0), 0.5, 20_000
    x = normal(200, 2, seed=1).clamp(-1.5, 1.5)
    found = parzen_log_prob(x, samples, [h])[0]
    variance = 1 + h**2
    truth = -0.5 * x.square().sum(1) / variance - math.log(2 * math.pi * variance)
    # E[k²] = N(x; 0, (1 + h²/2) I) / (4πh²)
    second = -0.5 * x.square().sum(1) / (1 + h**2 / 2) - math.log(2 * math.pi * (1 + h**2 / 2) * 4 * math.pi * h**2)
    relative = ((second - 2 * truth).exp() - 1).sqrt() / m**0.5
    assert bool(((found - truth).abs() < 5 * relative).all())
    assert float(relative.max()) < 0.03


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, samples = normal(23, 1, 3, 3, seed=0), normal(31, 1, 3, 3, seed=1)
    whole = parzen_log_prob(x, samples, [0.2, 1.0])
    monkeypatch.setattr(parzen, "BLOCK", 7)
    torch.testing.assert_close(parzen_log_prob(x, samples, [0.2, 1.0]), whole, rtol=1e-12, atol=1e-12)


def test_the_bandwidth_is_the_one_under_which_held_out_data_are_likeliest() -> None:
    """Silverman's rule for a Gaussian in d = 2, m^(−1/6) = 0.31 for m = 1,000, up to a step of the grid."""
    samples, held_out = normal(1000, 2, seed=0), normal(1000, 2, seed=1)
    grid = bandwidth_grid(0.01, 1.0, 21)
    assert len(grid) == 21 and grid[0] == pytest.approx(0.01) and grid[-1] == pytest.approx(1.0)
    chosen = best_bandwidth(held_out, samples, grid)
    assert chosen == grid[int(parzen_log_prob(held_out, samples, grid).mean(1).argmax())]
    assert 0.31 / 1.6 < chosen < 0.31 * 1.6  # a step is a factor 1.26


@pytest.mark.parametrize("bad", [[], [0.1, -1.0]])
def test_refuses_what_is_no_bandwidth(bad: list[float]) -> None:
    with pytest.raises(PushforwardError, match="above 0, and at least one"):
        parzen_log_prob(torch.zeros(2, 3), torch.zeros(2, 3), bad)
    with pytest.raises(PushforwardError, match=r"a grid of 0 bandwidths from 0.1 to 1 is empty"):
        bandwidth_grid(0.1, 1.0, 0)
