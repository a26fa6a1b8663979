"""Rate, distortion, −ELBO and bits per dimension: means over images with their standard errors."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from pushforward.metrics import moments


class Estimate(NamedTuple):
    """A mean over `n` images and its standard error, s/√n (NaN for one image)."""

    value: float
    standard_error: float
    n: int


def estimate(values: Float[Tensor, " n"]) -> Estimate:
    """Mean of per-image values with its standard error, in their unit, float64."""
    return _estimate(moments.of(values[:, None]))


def _estimate(packed: Tensor) -> Estimate:
    n = int(packed[0])
    mean, covariance = moments.mean_and_covariance(packed)
    return Estimate(float(mean[0]), float((covariance[0, 0] / n).sqrt()), n)
