import math

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter
from torch.nn import functional as F
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)
from torchmetrics.image import PeakSignalNoiseRatio

from pushforward.errors import PushforwardError
from pushforward.metrics.reconstruction import least_side, ms_ssim, mse, psnr, ssim, window

G = torch.Generator().manual_seed(0)
X, Y = torch.rand(20, 3, 8, 8, generator=G), torch.rand(20, 3, 8, 8, generator=G)


def test_mse_is_per_pixel_and_per_image():
    x = torch.zeros(2, 1, 2, 2)
    x_hat = torch.tensor([[[[1.0, 0], [0, 0]]], [[[0.5, 0.5], [0.5, 0.5]]]])
    assert mse(x, x_hat).tolist() == [0.25, 0.25]


def test_psnr_is_that_of_torchmetrics():
    theirs = PeakSignalNoiseRatio(data_range=1.0)
    assert psnr(mse(X, Y).mean()) == pytest.approx(float(theirs(Y, X)), abs=1e-4)  # theirs is float32, ~10 dB


def test_known_psnr():
    assert psnr(0.01) == pytest.approx(20)
    assert psnr(0.0) == math.inf
    assert psnr(4.0, peak=2.0) == pytest.approx(0)


# Structural similarity -------------------------------------------------------------------------------------------------


def direct(x: np.ndarray, y: np.ndarray, width: int = 11, sigma: float = 1.5) -> tuple[float, float]:
    """SSIM of one image (c, h, w), and its contrast and structure, window by window by the paper's centred sums."""
    at = np.arange(width) - width // 2
    weights = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * sigma**2))
    weights /= weights.sum()

    def mean(windows: np.ndarray) -> np.ndarray:
        return (weights * windows).sum((-2, -1), keepdims=True)

    u, v = (sliding_window_view(image.astype(np.float64), (width, width), (1, 2)) for image in (x, y))
    mu_u, mu_v = mean(u), mean(v)
    spread = mean((u - mu_u) ** 2) + mean((v - mu_v) ** 2)
    contrast = (2 * mean((u - mu_u) * (v - mu_v)) + 0.03**2) / (spread + 0.03**2)
    both = contrast * (2 * mu_u * mu_v + 0.01**2) / (mu_u**2 + mu_v**2 + 0.01**2)
    return float(both.mean()), float(contrast.mean())


def pairs(shape: tuple[int, ...], n: int = 20) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Random images, each beside itself under noise of its own strength."""
    g = torch.Generator().manual_seed(1)
    x = torch.rand(n, *shape, generator=g)
    strength = torch.linspace(0.01, 1, n).view(-1, 1, 1, 1)
    y = (x + strength * torch.randn(n, *shape, generator=g)).clamp(0, 1)
    return [(a[None], b[None]) for a, b in zip(x, y, strict=True)]


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 16, 13)])
def test_ssim_is_the_papers_window_by_window(shape):
    width, sigma = window(*shape[1:])
    for x, y in pairs(shape):
        expected, _ = direct(x[0].numpy(), y[0].numpy(), width, sigma)
        assert float(ssim(x, y)) == pytest.approx(expected, abs=1e-12)  # float64; E[x²] − μ² loses 1e-16/c₂ = 1e-13


def test_ssim_is_that_of_torchmetrics_away_from_the_border():
    """Theirs with the border it pads cut off; float32, whose E[x²] − μ² is right to 6e-8 beside c₂ = 9e-4: 7e-5."""
    for x, y in pairs((3, 32, 32)):
        _, full = structural_similarity_index_measure(y, x, data_range=1.0, return_full_image=True)
        assert float(ssim(x, y)) == pytest.approx(float(full[..., 5:-5, 5:-5].mean()), abs=7e-5)


def test_known_ssim():
    x = torch.rand(4, 3, 20, 20, generator=G)
    torch.testing.assert_close(ssim(x, x), torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(ssim(x, 1 - x), ssim(1 - x, x))
    for a, b in [(0.2, 0.9), (0.0, 1.0), (0.5, 0.5)]:  # only luminance is left
        flat = torch.full((1, 1, 12, 12), a, dtype=torch.float64), torch.full((1, 1, 12, 12), b, dtype=torch.float64)
        assert float(ssim(*flat)) == pytest.approx((2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4), abs=1e-12)
    assert float(ssim(255 * x[:1], 200 * x[:1], 255.0)) == pytest.approx(
        float(ssim(x[:1], x[:1] * 200 / 255)), abs=1e-6
    )


@pytest.mark.parametrize(
    ("sides", "expected"), [((28, 28), 11), ((64, 11), 11), ((8, 8), 7), ((3, 10), 3), ((1, 5), 1)]
)
def test_the_window_fits_and_keeps_its_proportions(sides, expected):
    assert window(*sides) == (expected, pytest.approx(1.5 * expected / 11))


def test_ms_ssim_is_the_papers_scale_by_scale():
    def halved(image: np.ndarray) -> np.ndarray:
        return uniform_filter(image, (0, 2, 2), origin=(0, -1, -1))[:, ::2, ::2]

    weights = np.array([0.0448, 0.2856, 0.3001])
    for x, y in pairs((1, 46, 44)):
        a, b, expected = x[0].double().numpy(), y[0].double().numpy(), 1.0
        for j, weight in enumerate(weights / weights.sum()):
            expected *= max(0.0, direct(a, b)[0 if j == 2 else 1]) ** weight
            a, b = (halved(image)[:, : image.shape[1] // 2, : image.shape[2] // 2] for image in (a, b))
        assert float(ms_ssim(x, y, 3)) == pytest.approx(expected, abs=1e-9)  # powers below 1 stretch 1e-12 near 0


def test_ms_ssim_over_five_scales_is_near_torchmetrics():
    """They differ in the coarsest scale, where theirs pads 16 pixels by reflection: a similarity other by 0.01 to the
    power 0.1333 is 1.3e-3."""
    x = F.interpolate(torch.rand(4, 1, 24, 24, generator=G), 256, mode="bicubic").clamp(0, 1)
    y = (x + 0.1 * torch.randn(x.shape, generator=G)).clamp(0, 1)
    theirs = multiscale_structural_similarity_index_measure(y, x, data_range=1.0, reduction=None)
    torch.testing.assert_close(ms_ssim(x, y).float(), theirs, rtol=0, atol=1.4e-3)
    assert (ms_ssim(x, y) < 0.99).all()
    torch.testing.assert_close(ms_ssim(x, x), torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_ms_ssim_of_one_scale_is_ssim_and_too_small_images_are_refused():
    x, y = (torch.cat(side) for side in zip(*pairs((1, 12, 12)), strict=True))
    torch.testing.assert_close(ms_ssim(x, y, 1), ssim(x, y).clamp(min=0))
    assert [least_side(scales) for scales in (1, 2, 5)] == [11, 22, 176]
    with pytest.raises(PushforwardError, match="2 scales of images of 12×12"):
        ms_ssim(x, y, 2)
    with pytest.raises(PushforwardError, match="there can be 1 to 5"):
        ms_ssim(x, y, 6)
