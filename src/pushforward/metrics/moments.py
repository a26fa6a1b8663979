"""Count, mean and scatter in one float64 vector that merges exactly over batches and processes.

Raw sums of squares cancel when the mean is large beside the spread; scatter about the mean does not.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def empty(d: int) -> Float[Tensor, " m"]:
    """The moments of no data in `d` dimensions: [count, mean (d), scatter (d·d)] laid end to end, float64."""
    return torch.zeros(1 + d + d * d, dtype=torch.float64)


def of(x: Float[Tensor, "n d"]) -> Float[Tensor, " m"]:
    """Count, mean and scatter Σ(x−x̄)(x−x̄)ᵀ of `x` in float64."""
    x = x.detach().double()
    mean = x.mean(0) if len(x) else x.new_zeros(x.shape[1])
    centred = x - mean
    return torch.cat([mean.new_full((1,), float(len(x))), mean, (centred.T @ centred).flatten()])


def merge(parts: Float[Tensor, "parts m"]) -> Float[Tensor, " m"]:
    """Moments of the union of disjoint data. Chan, Golub & LeVeque 1983, for any number of parts at once."""
    count, mean, scatter = unpack(parts)
    total = count.sum()
    overall = (count[:, None] * mean).sum(0) / total.clamp(min=1)
    off = (mean - overall) * count.sqrt()[:, None]
    return torch.cat([total[None], overall, (scatter.sum(0) + off.T @ off).flatten()])


def unpack(m: Float[Tensor, "*parts m"]) -> tuple[Tensor, Tensor, Tensor]:
    """(count, mean, scatter) of packed moments."""
    d = dimensions(m.shape[-1])
    return m[..., 0], m[..., 1 : 1 + d], m[..., 1 + d :].unflatten(-1, (d, d))


def dimensions(packed: int) -> int:
    """d of a vector of 1 + d + d² moments."""
    return round((packed - 0.75) ** 0.5 - 0.5)


def mean_and_covariance(m: Float[Tensor, " m"]) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """Mean and unbiased covariance (divisor n − 1), float64."""
    count, mean, scatter = unpack(m)
    return mean, scatter / (count - 1)
