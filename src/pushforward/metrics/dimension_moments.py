"""Count, mean and squared deviation of each dimension in one float64 vector that merges exactly.

What `moments` keeps without the covariances: a gradient has too many dimensions for their square.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def empty(d: int) -> Float[Tensor, " m"]:
    """The spread of no data in `d` dimensions: [count, mean (d), Σ(x−x̄)² (d)] laid end to end, float64."""
    return torch.zeros(1 + 2 * d, dtype=torch.float64)


def of(x: Float[Tensor, "n d"]) -> Float[Tensor, " m"]:
    """Count, mean and Σ(x−x̄)² of `x` in float64."""
    x = x.detach().double()
    mean = x.mean(0) if len(x) else x.new_zeros(x.shape[1])
    return torch.cat([mean.new_full((1,), float(len(x))), mean, (x - mean).square().sum(0)])


def merge(parts: Float[Tensor, "parts m"]) -> Float[Tensor, " m"]:
    """The spread of the union of disjoint data. Chan, Golub & LeVeque 1983; with one datum at a time it is Welford's."""
    count, (mean, deviation) = parts[:, 0], parts[:, 1:].unflatten(1, (2, -1)).unbind(1)
    total = count.sum()
    overall = (count[:, None] * mean).sum(0) / total.clamp(min=1)
    between = (count[:, None] * (mean - overall).square()).sum(0)
    return torch.cat([total[None], overall, deviation.sum(0) + between])


def mean_and_variance(m: Float[Tensor, " m"]) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
    """Mean and unbiased variance (divisor n − 1) of each dimension, float64; NaN variance for one datum."""
    mean, deviation = m[1:].chunk(2)
    return mean, deviation / (m[0] - 1)
