"""The error of a reconstruction: squared error, peak signal-to-noise ratio, structural similarity."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pushforward.errors import PushforwardError

WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, from the finest. Wang, Simoncelli & Bovik 2003, sec. 3.2."""


def mse(x: Float[Tensor, " n *shape"], x_hat: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
    """Squared error per pixel, averaged over an image's pixels and channels, shape (n,), in squared pixel units."""
    return (x.double() - x_hat.double()).square().flatten(1).mean(1)


def psnr(mean_squared_error: float | Tensor, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB, −10 log₁₀(MSE / peak²), of the *data set's* MSE.

    It is the ratio of the total error, not the mean over images of each image's own ratio (which is larger by Jensen's
    inequality and infinite as soon as one image is reproduced exactly). Infinite where the MSE is zero.
    """
    error = float(mean_squared_error)
    return math.inf if error == 0 else -10 * math.log10(error / peak**2)


def ssim(x: Float[Tensor, "n c h w"], x_hat: Float[Tensor, "n c h w"], data_range: float = 1.0) -> Float[Tensor, " n"]:
    """Structural similarity, 1 for equal images, (n,), float64. Wang, Bovik, Sheikh & Simoncelli 2004, eq. 13 and 17.

    Averaged over channels and over the places where the whole `window` lies on the image, as the paper's own code has it
    (torchmetrics pads the border by reflection and averages over it too).
    """
    return _compare(x.double(), x_hat.double(), data_range)[0]


def ms_ssim(
    x: Float[Tensor, "n c h w"], x_hat: Float[Tensor, "n c h w"], scales: int = 5, data_range: float = 1.0
) -> Float[Tensor, " n"]:
    """Multi-scale structural similarity, (n,), float64. Wang, Simoncelli & Bovik 2003, eq. 7.

    Contrast and structure at each scale, luminance at the coarsest; a negative one counts as 0, having no real power.
    Between scales images are averaged over 2×2 pixels. Of fewer than 5 scales the first weights are used, divided by
    their sum. Raises PushforwardError where the coarsest image is smaller than the 11×11 window.
    """
    if not 1 <= scales <= len(SCALE_WEIGHTS) or min(x.shape[2:]) < least_side(scales):
        raise PushforwardError(
            f"ms_ssim: {scales} scales of images of {x.shape[2]}×{x.shape[3]} pixels; there can be 1 to "
            f"{len(SCALE_WEIGHTS)}, and the least side is 11·2^(scales − 1)."
        )
    x, x_hat, found = x.double(), x_hat.double(), x.new_ones(len(x), dtype=torch.float64)
    for j, weight in enumerate(scale_weights(scales)):
        if j > 0:
            x, x_hat = F.avg_pool2d(x, 2), F.avg_pool2d(x_hat, 2)
        similarity, contrast = _compare(x, x_hat, data_range)
        found = found * (similarity if j == scales - 1 else contrast).clamp(min=0) ** weight
    return found


def scale_weights(scales: int) -> tuple[float, ...]:
    """Exponents of the scales, from the finest: the published five, or the first of them divided by their sum."""
    first = SCALE_WEIGHTS[:scales]
    return first if scales == len(SCALE_WEIGHTS) else tuple(weight / sum(first) for weight in first)


def least_side(scales: int) -> int:
    """Pixels that the shorter side of an image needs for `scales` scales of the 11×11 window."""
    return WINDOW * 2 ** (scales - 1)


def window(h: int, w: int) -> tuple[int, float]:
    """Width and σ, in pixels, of the Gaussian window on h×w images: 11 and 1.5; on smaller ones the largest odd width
    that fits, with σ in proportion."""
    side = min(h, w, WINDOW)
    width = side if side % 2 else side - 1
    return width, SIGMA * width / WINDOW


def _compare(x: Tensor, y: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """Mean over places and channels, (n,) each, of l·c·s, and of c·s alone (c₃ = c₂/2)."""
    width, sigma = window(*x.shape[2:])
    at = torch.arange(width, dtype=x.dtype, device=x.device) - (width - 1) / 2
    kernel = torch.softmax(-at.square() / (2 * sigma**2), 0).tolist()
    mu_x, mu_y = _blur(x, kernel), _blur(y, kernel)
    var_x = (_blur(x * x, kernel) - mu_x**2).clamp(min=0)  # rounding alone can take it below
    var_y = (_blur(y * y, kernel) - mu_y**2).clamp(min=0)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    contrast = (2 * (_blur(x * y, kernel) - mu_x * mu_y) + c2) / (var_x + var_y + c2)
    luminance = (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    return (luminance * contrast).flatten(1).mean(1), contrast.flatten(1).mean(1)


def _blur(x: Tensor, kernel: list[float]) -> Tensor:
    """Weighted means over the windows that lie on the image whole: (n, c, h − k + 1, w − k + 1)."""
    for axis in (2, 3):  # a sum of shifted images: on CPUs far faster in float64 than a convolution
        places = x.shape[axis] - len(kernel) + 1
        blurred = kernel[0] * x.narrow(axis, 0, places)
        for i, weight in enumerate(kernel[1:], 1):
            blurred.add_(x.narrow(axis, i, places), alpha=weight)
        x = blurred
    return x
