"""Modularity."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.metrics.disentanglement.discrete import discretize, mutual_information


def modularity(codes: Float[Tensor, "n d"], factors: Int[Tensor, "n k"], bins: int = 20) -> float:
    """Modularity, a share: mean over dimensions of 1 − Σ_{j≠best} I_ij² / (max_j I_ij² · (k − 1)).

    Ridgeway & Mozer 2018, sec. 3; a dimension without any information counts 0. It asks that a dimension stands for one
    factor, not that one dimension alone does: copies of a factor are modular.
    """
    squared = mutual_information(discretize(codes, bins), factors).square()
    largest, k = squared.amax(1), squared.shape[1]
    spread = (squared.sum(1) - largest) / (largest * max(k - 1, 1))
    return float(torch.where(largest > 0, 1 - spread, torch.zeros_like(spread)).mean())
