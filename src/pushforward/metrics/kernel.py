"""Kernel distance: the squared maximum mean discrepancy of features, without bias, and how far it may be off."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.errors import PushforwardError

BLOCK = 2000
"""Rows whose kernel with all others is held at once."""


class KernelDistance(NamedTuple):
    """MMD², in the kernel's unit, and its standard error."""

    value: float
    standard_error: float


def polynomial_kernel(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """(x·y/d + 1)³: the kernel of KID, which needs no bandwidth. Bińkowski et al. 2018."""
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)


def kernel_sums(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], block: int = BLOCK
) -> tuple[Float[Tensor, " n"], Float[Tensor, " m"]]:
    """Σⱼ k(xᵢ, yⱼ) for each i and Σᵢ k(xᵢ, yⱼ) for each j, float64."""
    rows, columns = [], torch.zeros(len(y), dtype=torch.float64, device=y.device)
    for part in x.split(block):
        kernel = polynomial_kernel(part, y)
        rows.append(kernel.sum(1, dtype=torch.float64))
        columns += kernel.sum(0, dtype=torch.float64)
    return torch.cat(rows), columns


def kernel_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], block: int = BLOCK) -> KernelDistance:
    """Unbiased MMD² of two sets of features over all pairs of different points. Gretton et al. 2012, eq. 3.

    It may be negative. The standard error is that of the U-statistic's projection: each point's own contribution, as if
    drawn anew, Gretton et al. 2012, app. B; it leaves out what is of order 1/n², which alone is left where P = Q.
    """
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise PushforwardError(f"Kernel distance: {min(n, m)} images on one side; pairs need at least 2.")
    scale = x.shape[1] ** 0.5
    own_x = ((x.double() / scale).square().sum(1) + 1) ** 3
    own_y = ((y.double() / scale).square().sum(1) + 1) ** 3
    xx = (kernel_sums(x, x, block)[0] - own_x) / (n - 1)
    yy = (kernel_sums(y, y, block)[0] - own_y) / (m - 1)
    xy, yx = kernel_sums(x, y, block)
    xy, yx = xy / m, yx / n
    value = xx.mean() + yy.mean() - 2 * xy.mean()
    variance = 4 * ((xx - xy).var() / n + (yy - yx).var() / m)
    return KernelDistance(float(value), float(variance.sqrt()))
