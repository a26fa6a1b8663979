"""The standard normal: the prior that most families are trained with."""

import math
from typing import Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.priors.codes import normal
from pushforward.priors.prior import Prior


@final
class StandardNormal(Prior):
    """N(0, I) over codes of `dim` numbers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("anchor", torch.zeros(()), persistent=False)  # knows the device

    @classmethod
    def fit(cls, z: Float[Tensor, "n d"]) -> Self:
        """N(0, I) of the codes' dimension: what a code without a prior is sampled from when nothing is fitted."""
        return cls(z.flatten(1).shape[1]).to(z)

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log N(z; 0, I), nats per code."""
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        return normal(n, self.dim, generator, self.get_buffer("anchor"))

    def describe(self) -> str:
        return "N(0, I)"
