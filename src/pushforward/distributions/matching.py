"""Distances between two samples of codes, differentiable: maximum mean discrepancy, sliced Wasserstein."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Kernel = Callable[[Tensor], Tensor]
"""k as a function of squared distances, elementwise."""

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Bandwidths of an inverse multiquadratic kernel, which adds them up. Tolstikhin et al. 2018, the authors' code."""


def rbf(bandwidth: float | Tensor) -> Kernel:
    """exp(−‖x − y‖²/2h²)."""
    return lambda squared: torch.exp(-squared / (2 * bandwidth**2))


def inverse_multiquadratic(scale: float | Tensor) -> Kernel:
    """Σ_s C s/(C s + ‖x − y‖²) over `SCALES`, C = `scale`. Tolstikhin et al. 2018, sec. 4, with C = 2dσ²."""

    def kernel(squared: Tensor) -> Tensor:
        return torch.stack([scale * s / (scale * s + squared) for s in SCALES]).sum(0)

    return kernel


def squared_distances(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """‖xᵢ − yⱼ‖², not below 0."""
    return (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp(min=0)


def mmd(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], kernel: Kernel) -> Float[Tensor, ""]:
    """MMD² of the distributions of x and y, without bias, so that it may be negative. Gretton et al. 2012, eq. 3."""
    n, m = len(x), len(y)

    def own(z: Tensor) -> Tensor:
        # the diagonal is k(0) whatever z is: taken out by a mask, it leaves no gradient
        between = kernel(squared_distances(z, z)) * (1 - torch.eye(len(z), dtype=z.dtype, device=z.device))
        return between.sum() / (len(z) * (len(z) - 1))

    return own(x) + own(y) - 2 * kernel(squared_distances(x, y)).sum() / (n * m)


def sliced_wasserstein(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], directions: Float[Tensor, "k d"]
) -> Float[Tensor, ""]:
    """SW₂²: squared W₂ along each direction (scaled to length 1) by sorting, averaged. Kolouri et al. 2019, eq. 14."""
    unit = directions / directions.norm(dim=1, keepdim=True)
    return ((x @ unit.T).sort(0).values - (y @ unit.T).sort(0).values).square().mean()
