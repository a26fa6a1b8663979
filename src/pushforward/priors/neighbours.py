"""A code of the training images, and a step about as long as to its k-th neighbour: a density without parameters."""

import math
from typing import Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.domains import Count, Seed
from pushforward.priors.codes import checked, normal, spread, thinned
from pushforward.priors.prior import Prior

BLOCK = 1000
"""Codes whose distances to all others are held at once."""


@final
class FittedNeighbours(Prior):
    """(1/m) Σᵢ N(z; zᵢ, σᵢ² diag(s²)), σᵢ = rᵢ/√d: the sample-point kernel density. Breiman, Meisel & Purcell 1977.

    centres: codes zᵢ. scale: each unit's spread s. bandwidths: σᵢ, with rᵢ the distance of zᵢ to its k-th neighbour
    among codes divided by s; a draw is on average that far from its zᵢ.
    """

    centres: Tensor
    scale: Tensor
    bandwidths: Tensor

    def __init__(
        self, centres: Float[Tensor, "m d"], scale: Float[Tensor, " d"], bandwidths: Float[Tensor, " m"], k: int
    ) -> None:
        super().__init__()
        self.k = k
        self.register_buffer("centres", centres)
        self.register_buffer("scale", scale)
        self.register_buffer("bandwidths", bandwidths)

    @classmethod
    def fit(cls, z: Float[Tensor, "n d"], k: Count = 5, seed: Seed = 0, max_codes: Count = 10_000) -> Self:
        """The density about `max_codes` codes chosen by `seed`; k is less where there are fewer others.

        Codes that coincide with their k neighbours keep a bandwidth of a thousandth of the median one.
        """
        flat = thinned(checked(z), max_codes, seed, "neighbours")
        scale, k = spread(flat), min(k, len(flat) - 1)
        white = (flat - flat.mean(0)) / scale
        # the nearest is the code itself
        nearest = [torch.cdist(part, white).topk(k + 1, largest=False).values[:, k] for part in white.split(BLOCK)]
        sigma = torch.cat(nearest) / math.sqrt(flat.shape[1])
        sigma = sigma.clamp(min=max(1e-3 * float(sigma.median()), 1e-6))
        return cls(flat.to(z), scale.to(z), sigma.to(z), k)

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log of the kernels' mean at z, nats per code; in float64 within, for distances of near codes."""
        scale, sigma = self.scale.double(), self.bandwidths.double()
        origin = self.centres.double().mean(0)
        centres, points = (self.centres - origin) / scale, (z - origin) / scale
        d = z.shape[1]
        constant = -d * (sigma.log() + 0.5 * math.log(2 * math.pi)) - scale.log().sum() - math.log(len(centres))
        parts = [
            (constant - 0.5 * (torch.cdist(part, centres) / sigma).square()).logsumexp(1)
            for part in points.split(BLOCK)
        ]
        return torch.cat(parts).to(z)

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        chosen = torch.randint(len(self.centres), (n,), generator=generator, device=generator.device)
        chosen = chosen.to(self.centres.device)
        noise = normal(n, self.centres.shape[1], generator, self.centres)
        return self.centres[chosen] + self.bandwidths[chosen, None] * noise * self.scale

    def describe(self) -> str:
        m, d = self.centres.shape
        return f"a step of the distance to the {self.k}. neighbour from one of {m} codes, d = {d}"
