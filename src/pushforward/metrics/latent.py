"""Is the latent space whole? What is decoded from it, held against the union of balls about real images."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pushforward.metrics.manifold import radii, squared_blocks, within


class Manifold(NamedTuple):
    """The union of balls about real features, each as wide as the way to its k-th neighbour among them.

    Kynkäänniemi et al. 2019, eq. 1.
    """

    centres: Float[Tensor, "n d"]
    radii: Float[Tensor, " n"]
    k: int

    @classmethod
    def of(cls, real: Float[Tensor, "n d"], k: int) -> "Manifold":
        return cls(real, radii(real, k), k)

    def outside(self, x: Float[Tensor, "m d"]) -> Bool[Tensor, " m"]:
        """Whether each point lies in none of the balls, shape (m,)."""
        return ~within(x, self.centres, self.radii)


class Remoteness(NamedTuple):
    """ratio: of the distance to a real point over that one's radius, the least over real points, (m,); off from 1 on.

    nearest: index of the nearest real point, (m,).
    """

    ratio: Float[Tensor, " m"]
    nearest: Int[Tensor, " m"]


def remoteness(fake: Float[Tensor, "m d"], manifold: Manifold) -> Remoteness:
    """The distance of each point from the manifold, in radii of the ball that it is relatively nearest to."""
    ratios, nearest = [], []
    reach = manifold.radii.double().square().clamp(min=torch.finfo(torch.float64).tiny)
    for _, distances in squared_blocks(fake, manifold.centres):
        nearest.append(distances.argmin(1))
        ratios.append((distances / reach).amin(1).sqrt())
    return Remoteness(torch.cat(ratios), torch.cat(nearest))
