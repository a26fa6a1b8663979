"""Points in the plane from a known density: what a model learnt can be compared with the truth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.data.sources.densities import Density, plane_density
from pushforward.domains import Count, Positive, Real, Seed
from pushforward.seeds import generator


@dataclass(frozen=True)
class Toy2d(Source):
    """Points (n, 2) drawn once from the density `name` by `seed`; exact log-density for all, modes where separate.

    sigma, scale, shift: as `plane_density` has them; None: its own blur, 1 and 0.
    """

    name: str
    n_train: Count
    n_test: Count
    seed: Seed
    sigma: Positive | None = None
    scale: Positive | None = None
    shift: Sequence[Real] | None = None

    @property
    def density(self) -> Density:
        return plane_density(self.name, self.sigma, self.scale or 1.0, self.shift or (0.0, 0.0))

    def log_density(self, x: Float[Tensor, " n 2"]) -> Float[Tensor, " n"]:
        """Exact log p(x), nats."""
        return self.density.log_prob(x)

    def load(self) -> Arrays:
        density = self.density
        return Arrays(
            train=self._split(density, "train", self.n_train),
            test=self._split(density, "test", self.n_test),
            levels=None,
            n_classes=density.components,
            low=-math.inf,
            high=math.inf,
            log_density=density.log_prob,
            modes=None if density.modes is None else density.modes.float(),
            mode_width=density.mode_width,
        )

    def _split(self, density: Density, split: str, n: int) -> Split:
        x, y = density.sample(n, generator("cpu", self.seed, "toy2d", self.name, split))
        return Split(x.to(torch.float32), y)
