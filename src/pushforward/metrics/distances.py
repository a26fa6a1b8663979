"""Squared distances between two sets of points, block by block, in float64."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

BLOCK = 1000
"""Points whose distances to all others are held at once."""


def squared_blocks(
    x: Float[Tensor, "m d"], y: Float[Tensor, "n d"], block: int = BLOCK, slack: float = 0.0
) -> Iterator[tuple[slice, Float[Tensor, "b n"]]]:
    """(rows of x, ‖xᵢ − yⱼ‖² for those rows and all of y), float64.

    ‖x‖² + ‖y‖² − 2x·y, about the mean of y: far from it the difference of large numbers would leave nothing. slack: adds
    that share of ‖x‖² + ‖y‖², which `rounding` makes as much as rounding can have taken away.
    """
    x, y = x.double(), y.double()
    origin = y.mean(0)
    x, y = x - origin, y - origin
    of_x, of_y = (x.square().sum(1) * (1 + slack), y.square().sum(1) * (1 + slack))
    for start in range(0, len(x), block):
        rows = slice(start, min(start + block, len(x)))
        yield rows, torch.addmm(of_y, x[rows], y.T, alpha=-2).add_(of_x[rows, None]).clamp_(min=0)


def rounding(d: int) -> float:
    """By what share of ‖x‖² + ‖y‖² a squared distance of `squared_blocks` may be wrong: d products and sums."""
    return (d + 4) * torch.finfo(torch.float64).eps
