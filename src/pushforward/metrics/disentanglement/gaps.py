"""Mutual information of codes in bins with factors, and the two scores that are made of it: MIG and modularity."""

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


def mig(codes: Float[Tensor, "n d"], factors: Int[Tensor, "n k"], bins: int = 20) -> float:
    """Mutual information gap, a share: mean over factors of (the largest I(z_i; v_j) − the second) / H(v_j).

    Chen, Li, Grosse & Duvenaud 2018, eq. 6; codes in `bins` bins.
    """
    information = mutual_information(discretize(codes, bins), factors)
    if len(information) < 2:
        return float((information[0] / factor_entropy(factors)).mean())
    first, second = information.topk(2, 0).values
    return float(((first - second) / factor_entropy(factors)).mean())


def modularity(codes: Float[Tensor, "n d"], factors: Int[Tensor, "n k"], bins: int = 20) -> float:
    """Modularity, a share: mean over dimensions of 1 − Σ_{j≠best} I_ij² / (max_j I_ij² · (k − 1)).

    Ridgeway & Mozer 2018, sec. 3; a dimension without any information counts 0. It asks that a dimension stands for one
    factor, not that one dimension alone does: copies of a factor are modular.
    """
    squared = mutual_information(discretize(codes, bins), factors).square()
    largest, k = squared.amax(1), squared.shape[1]
    spread = (squared.sum(1) - largest) / (largest * max(k - 1, 1))
    return float(torch.where(largest > 0, 1 - spread, torch.zeros_like(spread)).mean())
