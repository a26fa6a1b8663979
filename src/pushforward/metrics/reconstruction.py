"""How near a reconstruction is to its image: mean squared error and peak signal-to-noise ratio."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric


def mse(x: Float[Tensor, "n *shape"], x_hat: Float[Tensor, "n *shape"]) -> Float[Tensor, " n"]:
    """Squared error per pixel, averaged over an image's pixels and channels, shape (n,), in squared pixel units."""
    return (x.double() - x_hat.double()).square().flatten(1).mean(1)


def psnr(mean_squared_error: float | Tensor, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB, −10 log₁₀(MSE / peak²), of the *data set's* MSE.

    It is the ratio of the total error, not the mean over images of each image's own ratio (which is larger by Jensen's
    inequality and infinite as soon as one image is reproduced exactly). Infinite where the MSE is zero.
    """
    error = float(mean_squared_error)
    return math.inf if error == 0 else -10 * math.log10(error / peak**2)


class Reconstruction(Metric):
    """{"mse", "psnr"} over all images seen, in batches of any size and on any number of processes."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, peak: float = 1.0) -> None:
        super().__init__()
        self.peak = peak
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, x: Float[Tensor, "n *shape"], x_hat: Float[Tensor, "n *shape"]) -> None:
        self.total += mse(x, x_hat).sum()
        self.count += len(x)

    def compute(self) -> dict[str, Tensor]:
        error = self.total / self.count
        return {"mse": error, "psnr": -10 * (error / self.peak**2).log10()}
