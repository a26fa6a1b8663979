"""A prior whose codes have parts with a meaning to be found: classes and uniform numbers beside noise."""

import math
from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pushforward.domains import Count, Natural
from pushforward.priors.normal import StandardNormal
from pushforward.priors.prior import Prior


@final
class InformativePrior(Prior):
    """z ~ N(0, I) of code_dim numbers, then one-hot classes, uniform over each of `categories`, then `continuous` numbers.

    The numbers are uniform on [−1, 1]. Chen et al. 2016 (InfoGAN).
    """

    def __init__(self, categories: Sequence[Count], continuous: Natural, *, code_dim: Count) -> None:
        super().__init__()
        self.noise = StandardNormal(code_dim)
        self.categories, self.continuous = tuple(categories), continuous

    @property
    def parts(self) -> tuple[int, ...]:
        """Sizes of the informative parts: of each class, then 1 for each number."""
        return (*self.categories, *[1] * self.continuous)

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log N(z) − Σ log K − continuous · log 2, nats per code: of codes that the prior can draw."""
        constant = sum(math.log(k) for k in self.categories) + self.continuous * math.log(2)
        return self.noise.log_prob(z[:, : self.noise.dim]) - constant

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        z, drawn = self.noise.sample(n, generator), list[Tensor]()
        for k in self.categories:
            drawn.append(F.one_hot(torch.randint(k, (n,), generator=generator, device=generator.device), k).to(z))
        if self.continuous:
            drawn.append(2 * torch.rand(n, self.continuous, generator=generator, device=generator.device).to(z) - 1)
        return torch.cat((z, *drawn), 1)

    def describe(self) -> str:
        parts = [f"{k} classes" for k in self.categories] + [f"{self.continuous} uniform on [−1, 1]"] * bool(
            self.continuous
        )
        return f"N(0, I) and {', '.join(parts)}"
