"""Distances between samples: closed forms for Gaussians, no bias under equality, order of sorting."""

import math

import pytest
import torch

from pushforward.distributions.matching import inverse_multiquadratic, mmd, rbf, sliced_wasserstein, squared_distances

D = 3


def normal(n: int, seed: int, mean: float = 0.0) -> torch.Tensor:
    return mean + torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("h", [0.5, 1.0, 3.0])
def test_rbf_between_gaussians(h: float) -> None:
    """2(h²/(h² + 2))^{d/2}(1 − e^{−‖m‖²/(2(h² + 2))}): means of 40 draws of 500 within 4 standard errors."""
    m = 0.8
    wanted = 2 * (h**2 / (h**2 + 2)) ** (D / 2) * (1 - math.exp(-D * m**2 / (2 * (h**2 + 2))))
    found = torch.stack([mmd(normal(500, i), normal(500, 1000 + i, m), rbf(h)) for i in range(40)])
    assert abs(float(found.mean()) - wanted) < 4 * float(found.std()) / math.sqrt(40)


@pytest.mark.parametrize("kernel", [rbf(1.0), inverse_multiquadratic(2.0 * D)])
def test_no_bias_under_equality(kernel: object) -> None:
    found = torch.stack([mmd(normal(40, i), normal(40, 1000 + i), kernel) for i in range(300)])  # type: ignore[arg-type]
    assert abs(float(found.mean())) < 4 * float(found.std()) / math.sqrt(300) and float(found.min()) < 0


def test_mmd_by_hand() -> None:
    """k = exp(−d²/2): x = {0, 1}, y = {0, 2}."""
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0]])
    k = [math.exp(-(d**2) / 2) for d in range(3)]
    wanted = k[1] + k[2] - 2 * (k[0] + k[2] + k[1] + k[1]) / 4
    assert float(mmd(x, y, rbf(1.0))) == pytest.approx(wanted, abs=1e-6)


def test_distances() -> None:
    x, y = normal(4, 0), normal(5, 1)
    torch.testing.assert_close(squared_distances(x, y), torch.cdist(x, y).square())


def test_sliced_wasserstein_of_a_shift() -> None:
    """W₂² along a direction θ of a cloud and its shift by s is (θ·s)², whatever the order of the points."""
    x, directions = normal(50, 0), normal(7, 1)
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    unit = directions / directions.norm(dim=1, keepdim=True)
    found = sliced_wasserstein(x, (x + shift).flip(0), directions)
    torch.testing.assert_close(found, (unit @ shift).square().mean())
