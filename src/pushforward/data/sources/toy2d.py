"""Points in the plane from a known density: what a model learnt can be compared with the truth."""

import math
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.data.sources.densities import DENSITIES, Density
from pushforward.domains import Count, Seed
from pushforward.errors import PushforwardError
from pushforward.seeds import generator


@dataclass(frozen=True)
class Toy2d(Source):
    """Points (n, 2) drawn once from the density `name` by `seed`; exact log-density for all, modes where separate."""

    name: str
    n_train: Count
    n_test: Count
    seed: Seed

    @property
    def density(self) -> Density:
        if self.name not in DENSITIES:
            near = get_close_matches(self.name, DENSITIES, n=1) or sorted(DENSITIES)
            raise PushforwardError(f"data.source.name={self.name} is no toy density; nearest: {', '.join(near)}.")
        return DENSITIES[self.name]()

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
