"""Noise schedules against their published forms."""

import math

import pytest
import torch

from pushforward.diffusion import CosineBetas, LinearBetas


def test_linear() -> None:
    betas = LinearBetas(1000, 1e-4, 0.02).betas()
    assert betas.dtype == torch.float64 and len(betas) == 1000
    assert (betas[0].item(), betas[-1].item()) == pytest.approx((1e-4, 0.02))
    torch.testing.assert_close(betas.diff(), torch.full((999,), (0.02 - 1e-4) / 999, dtype=torch.float64))
    # Ho et al. 2020, sec. 4: KL(q(x_T|x_0) ‖ N(0, I)) ≈ 1e-5 bits a dimension needs ᾱ_T ≈ 4e-5
    assert torch.log1p(-betas).sum().exp().item() == pytest.approx(4.036e-5, rel=1e-3)


def test_cosine() -> None:
    """ᾱ_t = f(t)/f(0) wherever β is not clipped."""
    s, T = 0.008, 200
    betas = CosineBetas(T, s, 0.999).betas()
    alpha_bar = torch.log1p(-betas).cumsum(0).exp()
    for t in (1, 50, 100, 198):
        f = [math.cos(math.pi / 2 * (u / T + s) / (1 + s)) ** 2 for u in (t, 0)]
        assert alpha_bar[t - 1].item() == pytest.approx(f[0] / f[1], rel=1e-9)
    assert betas.max().item() == 0.999 and bool((betas > 0).all())
