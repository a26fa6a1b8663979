"""Structural similarity of images, scale by scale: mathematics that a loss and a measure share."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, from the finest. Wang, Simoncelli & Bovik 2003, sec. 3.2."""


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


def most_scales(h: int, w: int) -> int:
    """Scales that images of h×w pixels allow, at most the published five; 1 on images smaller than the 11×11 window."""
    return max([1, *(n for n in range(1, len(SCALE_WEIGHTS) + 1) if least_side(n) <= min(h, w))])


def scales_of(
    x: Float[Tensor, "n c h w"], y: Float[Tensor, "n c h w"], scales: int, data_range: float
) -> list[Float[Tensor, " n"]]:
    """The factors of MS-SSIM, from the finest scale: contrast and structure, at the coarsest one luminance too.

    Between scales images are averaged over 2×2 pixels. Wang, Simoncelli & Bovik 2003, eq. 7.
    """
    found = []
    for j in range(scales):
        if j > 0:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        similarity, contrast = compare(x, y, data_range)
        found.append(similarity if j == scales - 1 else contrast)
    return found


def compare(x: Tensor, y: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """Mean over places and channels, (n,) each, of l·c·s, and of c·s alone (c₃ = c₂/2)."""
    width, sigma = window(*x.shape[2:])
    at = torch.arange(width, dtype=x.dtype, device=x.device) - (width - 1) / 2
    kernel = torch.softmax(-at.square() / (2 * sigma**2), 0).tolist()
    mu_x, mu_y = blur(x, kernel), blur(y, kernel)
    var_x = (blur(x * x, kernel) - mu_x**2).clamp(min=0)  # rounding alone can take it below
    var_y = (blur(y * y, kernel) - mu_y**2).clamp(min=0)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    contrast = (2 * (blur(x * y, kernel) - mu_x * mu_y) + c2) / (var_x + var_y + c2)
    luminance = (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    return (luminance * contrast).flatten(1).mean(1), contrast.flatten(1).mean(1)


def blur(x: Tensor, kernel: list[float]) -> Tensor:
    """Weighted means over the windows that lie on the image whole: (n, c, h − k + 1, w − k + 1)."""
    for axis in (2, 3):  # a sum of shifted images: on CPUs far faster in float64 than a convolution
        places = x.shape[axis] - len(kernel) + 1
        blurred = kernel[0] * x.narrow(axis, 0, places)
        for i, weight in enumerate(kernel[1:], 1):
            blurred.add_(x.narrow(axis, i, places), alpha=weight)
        x = blurred
    return x
