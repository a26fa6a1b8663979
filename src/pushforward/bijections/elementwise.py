"""Fixed maps, dimension by dimension, between the data's range and the space a model works in."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.numbers import number
from pushforward.spec import DataSpec


class Centre(nn.Module):
    """x in [low, high] to [−1, 1]; unbounded data stay as they are."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.bounded = spec.bounded
        self.middle = (spec.high + spec.low) / 2 if spec.bounded else 0.0
        self.half_width = (spec.high - spec.low) / 2 if spec.bounded else 1.0
        self.log_det = -spec.dim * math.log(self.half_width)
        """log |det ∂v/∂x|, nats per image: the same everywhere."""

    def forward(self, x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n *shape"]:
        return (x - self.middle) / self.half_width

    def inverse(self, v: Float[Tensor, " n *shape"]) -> Float[Tensor, " n *shape"]:
        return v * self.half_width + self.middle


class Logit(nn.Module):
    """logit(α + (1 − 2α)·x) of x scaled to [0, 1], flattened. Dinh et al. 2017, sec. 4.1.

    Unbounded data are only flattened.
    """

    alpha: Tensor

    def __init__(self, spec: DataSpec, alpha: float) -> None:
        super().__init__()
        self.shape, self.bounded = spec.shape, spec.bounded
        self.low, self.width = (spec.low, spec.high - spec.low) if spec.bounded else (0.0, 1.0)
        number(self, "alpha", alpha)

    def forward(self, x: Float[Tensor, " n *shape"]) -> tuple[Float[Tensor, " n d"], Float[Tensor, " n"]]:
        """y and log |det ∂y/∂x|, nats per image."""
        flat = x.flatten(1)
        if not self.bounded:
            return flat, flat.new_zeros(len(flat))
        s = self.alpha + (1 - 2 * self.alpha) * (flat - self.low) / self.width
        y = s.log() - torch.log1p(-s)
        slope = torch.log((1 - 2 * self.alpha) / self.width)
        # dy/ds = 1/(s(1 − s)) = 1/(σ(y)σ(−y))
        return y, (slope - F.logsigmoid(y) - F.logsigmoid(-y)).sum(-1)

    def inverse(self, y: Float[Tensor, " n d"]) -> Float[Tensor, " n *shape"]:
        if self.bounded:
            y = (y.sigmoid() - self.alpha) / (1 - 2 * self.alpha) * self.width + self.low
        return y.reshape(-1, *self.shape)


def quantize(x: Float[Tensor, " n *shape"], spec: DataSpec) -> Float[Tensor, " n *shape"]:
    """The level k/(levels − 1) whose bin [k, k + 1)/levels holds x: undoes `DataSpec.dequantize`.

    Real-valued data are clamped to their range.
    """
    if spec.levels is None or spec.dequantized:
        return x.clamp(spec.low, spec.high) if spec.bounded else x
    return (x * spec.levels).floor().clamp(0, spec.levels - 1) / (spec.levels - 1)
