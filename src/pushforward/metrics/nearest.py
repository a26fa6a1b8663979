"""Whether samples are copies of training images."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.metrics.manifold import BLOCK, centred, distances, radii


class Memorised(NamedTuple):
    """share: of samples that are too near to a training point to be new; ratio of median distances to the nearest one."""

    share: float
    ratio: float


def nearest(x: Float[Tensor, "m d"], train: Float[Tensor, "n d"], block: int = BLOCK) -> tuple[Tensor, Tensor]:
    """Distance of each x to its nearest training point, in feature units, and which it is, (m,) each."""
    train, x = centred(train, x)
    found = [distances(part, train).min(1) for part in x.split(block)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def memorised(
    fake: Float[Tensor, "m d"], train: Float[Tensor, "n d"], reference: Float[Tensor, "r d"], block: int = BLOCK
) -> Memorised:
    """Share of samples nearer to their nearest training point than any other training point is to that one.

    1 − authenticity, Alaa et al. 2022, sec. 3.3: about ½ for data drawn anew, 1 for copies. ratio: the median distance of
    samples to their nearest training point over that of `reference` (held-out) points: 1 for data drawn anew, 0 for copies.
    """
    distance, index = nearest(fake, train, block)
    own = radii(train, 1, block)
    held_out, _ = nearest(reference, train, block)
    ratio = distance.median() / held_out.median().clamp(min=1e-12)
    return Memorised(float((distance < own[index]).double().mean()), float(ratio))
