"""Rows of a data set that share a factor's value, as if drawn with that factor fixed."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

ROUNDING = 1e-12
"""A deviation relative to the values that float64's rounding alone can give."""


def sharing(
    values: Int[Tensor, " n"], rows: Int[Tensor, " m"], each: int, generator: torch.Generator
) -> Int[Tensor, "m each"]:
    """For each of `rows`, `each` rows with its value, drawn with replacement."""
    order = values.argsort(stable=True)
    _, kind, counts = values.unique(return_inverse=True, return_counts=True)
    starts, mine = counts.cumsum(0) - counts, kind[rows].unsqueeze(1)
    u = torch.rand(len(rows), each, generator=generator, dtype=torch.float64)
    return order[starts[mine] + (u * counts[mine]).long()]


def draw(n: int, size: int, generator: torch.Generator) -> Int[Tensor, " size"]:
    """`size` of 0..n−1, with replacement."""
    return torch.randint(n, (size,), generator=generator)


def standardize(codes: Float[Tensor, "n d"], like: Float[Tensor, "m d"]) -> Float[Tensor, "n d"]:
    """Codes with the mean 0 and the variance 1 of `like`, float64; a constant dimension is 0."""
    z, scale = like.double(), like.double().std(0)
    scale = scale.where(scale > ROUNDING * z.abs().amax(0), 0.0)  # the mean of equal numbers may be off by rounding
    return torch.where(scale > 0, (codes.double() - z.mean(0)) / scale.where(scale > 0, torch.ones_like(scale)), 0.0)


def seed(generator: torch.Generator) -> int:
    """A seed for scikit-learn."""
    return int(torch.randint(2**31 - 1, (), generator=generator))
