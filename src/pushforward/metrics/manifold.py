"""Samples against the data's manifold, taken as the union of balls that reach each real point's k-th neighbour."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pushforward.errors import PushforwardError

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


def radii(x: Float[Tensor, "n d"], k: int, block: int = BLOCK) -> Float[Tensor, " n"]:
    """Distance of each point to its k-th nearest other point, in feature units, float64."""
    if not 1 <= k < len(x):
        raise PushforwardError(f"k={k} nearest neighbours of {len(x)} points: give 1 ≤ k < the number of points.")
    found = []
    for rows, d in squared_blocks(x, x, block):
        own = torch.arange(rows.start, rows.stop, device=d.device)
        d[own - rows.start, own] = torch.inf  # a point is no neighbour of itself; its copies are
        found.append(d.topk(k, largest=False, sorted=False).values.amax(1))
    return torch.cat(found).sqrt()


def within(
    fake: Float[Tensor, "m d"], real: Float[Tensor, "n d"], radii: Float[Tensor, " n"], block: int = BLOCK
) -> Bool[Tensor, " m"]:
    """Whether each fake lies inside at least one real point's ball, whose rim is outside, shape (m,)."""
    reach = radii.double().square()
    blocks = squared_blocks(fake, real, block, rounding(fake.shape[1]))
    return torch.cat([(d < reach).any(1) for _, d in blocks])


def precision_recall_density_coverage(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], k: int = 5, block: int = BLOCK
) -> dict[str, float]:
    """Shares of fakes on the real manifold and of reals on the fake one; density and coverage of the real balls.

    precision, recall: Kynkäänniemi et al. 2019. density: real balls a fake lies in, over k, mean; 1 where both are equal
    in distribution. coverage: share of real balls that hold a fake. Naeem et al. 2020. The rim of a ball, where its own
    k-th neighbour and copies of that lie, is outside, as in the latter's code: copies of the real images have density 1.
    """
    reach_real, reach_fake = radii(real, k, block).square(), radii(fake, k, block).square()
    held = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    on_fake = torch.zeros_like(held)
    balls, on_real = 0, 0
    for rows, d in squared_blocks(fake, real, block, rounding(fake.shape[1])):
        inside = d < reach_real
        balls += int(inside.sum())
        on_real += int(inside.any(1).sum())
        held |= inside.any(0)
        on_fake |= (d < reach_fake[rows, None]).any(0)
    return {
        "precision": on_real / len(fake),
        "recall": float(on_fake.double().mean()),
        "density": balls / (k * len(fake)),
        "coverage": float(held.double().mean()),
    }
