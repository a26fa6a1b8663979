"""Whether samples are copies of training images."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.metrics.manifold import BLOCK, rounding, squared_blocks


class Memorised(NamedTuple):
    """share: of samples that are too near to a training point to be new; ratio of median distances to the nearest one."""

    share: float
    ratio: float


def nearest(x: Float[Tensor, "m d"], train: Float[Tensor, "n d"], block: int = BLOCK) -> tuple[Tensor, Tensor]:
    """Distance of each x to its nearest training point, in feature units, float64, and which it is, (m,) each."""
    found = [d.min(1) for _, d in squared_blocks(x, train, block, rounding(x.shape[1]))]
    return torch.cat([f.values for f in found]).sqrt(), torch.cat([f.indices for f in found])


def isolation(train: Float[Tensor, "n d"], which: Int[Tensor, " u"], block: int = BLOCK) -> Float[Tensor, " u"]:
    """Distance of some of the training points to the nearest other one, in feature units, float64."""
    found = []
    for rows, d in squared_blocks(train[which], train, block):
        d[torch.arange(len(d), device=d.device), which[rows]] = torch.inf
        found.append(d.amin(1))
    return torch.cat(found).sqrt()


def memorised(
    fake: Float[Tensor, "m d"], train: Float[Tensor, "n d"], reference: Float[Tensor, "r d"], block: int = BLOCK
) -> Memorised:
    """Share of samples nearer to their nearest training point than any other training point is to that one.

    1 − authenticity, Alaa et al. 2022, sec. 3.3: 1 for copies, but for those of training points that have a twin; for data
    drawn anew it depends on the dimension (⅔ on a line, ¼ in 32), so it is read beside that of held-out images. ratio: the
    median distance of samples to their nearest training point over that of `reference` (held-out) points: 1 for data
    drawn anew, 0 for copies.
    """
    distance, index = nearest(fake, train, block)
    which, back = index.unique(return_inverse=True)
    held_out, _ = nearest(reference, train, block)
    ratio = distance.median() / held_out.median().clamp(min=1e-12)
    return Memorised(float((distance < isolation(train, which, block)[back]).double().mean()), float(ratio))
