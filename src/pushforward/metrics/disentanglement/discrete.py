"""Codes in bins, and the mutual information of every dimension with every factor."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.metrics.information import entropy

ROUNDING = 1e-12
"""Nats that a difference of entropies in float64 can be off: a constant code has no information, not a little."""


def discretize(codes: Float[Tensor, "n d"], bins: int = 20) -> Int[Tensor, "n d"]:
    """Bin 0..bins−1 of each code between its dimension's least and largest value, as NumPy's histogram cuts them."""
    z = codes.double().T.contiguous()
    low, high = z.amin(1, keepdim=True), z.amax(1, keepdim=True)
    edges = low + (high - low) / bins * torch.arange(1, bins, dtype=z.dtype)
    return torch.searchsorted(edges, z, right=True).T


def mutual_information(bins: Int[Tensor, "n d"], factors: Int[Tensor, "n k"]) -> Float[Tensor, "d k"]:
    """I(z_i; v_j) = H(z_i) + H(v_j) − H(z_i, v_j) of the empirical distributions, nats, float64."""
    d, b = bins.shape[1], int(bins.max()) + 1
    offset = b * torch.arange(d)
    columns = []
    for v in factors.T:
        size = int(v.max()) + 1
        cells = (bins + offset) * size + v.unsqueeze(1)  # one histogram for all dimensions at once
        joint = torch.bincount(cells.flatten(), minlength=d * b * size).view(d, b, size).double() / len(v)
        apart = entropy(joint.sum(2)) + entropy(joint.sum(1))
        columns.append(apart - entropy(joint.flatten(1)))
    found = torch.stack(columns, 1)
    return torch.where(found > ROUNDING, found, torch.zeros_like(found))


def factor_entropy(factors: Int[Tensor, "n k"]) -> Float[Tensor, " k"]:
    """H(v_j) of the empirical distribution, nats, float64."""
    return torch.stack([entropy(torch.bincount(v).double() / len(v)) for v in factors.T])
