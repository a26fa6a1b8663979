"""Rate, distortion, −ELBO and bits per dimension: means over images with their standard errors."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from pushforward.metrics import moments
from pushforward.spec import DataSpec


class Estimate(NamedTuple):
    """A mean over `n` images and its standard error, s/√n (NaN for one image)."""

    value: float
    standard_error: float
    n: int


def estimate(values: Float[Tensor, " n"]) -> Estimate:
    """Mean of per-image values with its standard error, in their unit, float64."""
    return _estimate(moments.of(values[:, None]))


def likelihood(
    log_prob: Float[Tensor, " n"], spec: DataSpec, *, density: bool, parts: Mapping[str, Tensor] | None = None
) -> dict[str, Estimate]:
    """{"nll", "bits_per_dim", and each of `parts`}: −log p(x) (−ELBO where it bounds) and parts in nats per image.

    log_prob: nats per image; of dequantised data in [0, 1) where `density`, whose bits then gain log₂(levels).
    """
    nats = -log_prob.double()
    return {
        "nll": estimate(nats),
        "bits_per_dim": estimate(spec.bits_per_dim(nats, density=density)),
        **{name: estimate(values) for name, values in (parts or {}).items()},
    }


class MeanPerImage(Metric):
    """{"mean", "standard_error", "n"} of values given per image, over batches and processes, float64."""

    full_state_update = False
    moments: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("moments", moments.empty(1), dist_reduce_fx=moments.merge)

    def update(self, values: Float[Tensor, " n"]) -> None:
        self.moments = moments.merge(torch.stack([self.moments, moments.of(values[:, None])]))

    def compute(self) -> dict[str, Tensor]:
        return {
            name: torch.tensor(value, dtype=torch.float64)
            for name, value in zip(("mean", "standard_error", "n"), _estimate(self.moments), strict=True)
        }


def _estimate(packed: Tensor) -> Estimate:
    n = int(packed[0])
    mean, covariance = moments.mean_and_covariance(packed)
    return Estimate(float(mean[0]), float((covariance[0, 0] / n).sqrt()), n)
