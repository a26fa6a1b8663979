"""The error of a reconstruction: squared error, peak signal-to-noise ratio, structural similarity."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.distributions.similarity import (
    K1,
    K2,
    SCALE_WEIGHTS,
    compare,
    least_side,
    scale_weights,
    scales_of,
    window,
)
from pushforward.errors import PushforwardError

__all__ = ["K1", "K2", "SCALE_WEIGHTS", "least_side", "ms_ssim", "mse", "psnr", "scale_weights", "ssim", "window"]


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
    return compare(x.double(), x_hat.double(), data_range)[0]


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
    found = x.new_ones(len(x), dtype=torch.float64)
    for value, weight in zip(
        scales_of(x.double(), x_hat.double(), scales, data_range), scale_weights(scales), strict=True
    ):
        found = found * value.clamp(min=0) ** weight
    return found
