"""Uniform priors over codes that are no vectors of real numbers: one-hot vectors, bits, points on a sphere."""

import math
from typing import Annotated, Any, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pushforward.bottlenecks import BITS, ONE_HOT, SPHERE
from pushforward.distributions.von_mises_fisher import log_area
from pushforward.domains import Count, Domain
from pushforward.errors import PushforwardError
from pushforward.priors.codes import normal
from pushforward.priors.prior import Prior


class UniformPrior(Prior):
    """The uniform distribution over the codes of `dim` numbers that there are. Abstract."""

    def __init__(self, dim: int, log_size: float) -> None:
        super().__init__()
        self.dim, self.log_size = dim, log_size
        self.register_buffer("anchor", torch.zeros(()), persistent=False)  # knows the device

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """−log of how many codes there are, or of the sphere's area, nats per code."""
        return torch.full_like(z[..., 0], -self.log_size)

    def uniform(self, n: int, numbers: int, generator: torch.Generator) -> Tensor:
        drawn = torch.rand(n, numbers, generator=generator, device=generator.device)
        return drawn.to(self.get_buffer("anchor"))


@final
class UniformCategorical(UniformPrior):
    """Each of a code's categorical variables uniform over its `classes`. Jang, Gu & Poole 2017, sec. 2."""

    support = ONE_HOT

    def __init__(self, classes: Annotated[int, Domain(2)], *, code_dim: Count, spec: Any = None) -> None:
        if code_dim % classes:
            raise PushforwardError(f"prior.classes={classes} does not divide the code's {code_dim} numbers")
        super().__init__(code_dim, code_dim // classes * math.log(classes))
        self.classes = classes

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        index = (self.uniform(n, self.dim // self.classes, generator) * self.classes).long()
        return F.one_hot(index, self.classes).flatten(1).to(self.get_buffer("anchor"))

    def describe(self) -> str:
        return f"uniform over {self.dim // self.classes} variables of {self.classes} classes"


@final
class UniformBits(UniformPrior):
    """Fair bits."""

    support = BITS

    def __init__(self, *, code_dim: Count, spec: Any = None) -> None:
        super().__init__(code_dim, code_dim * math.log(2))

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        uniform = self.uniform(n, self.dim, generator)
        return (uniform < 0.5).to(uniform)

    def describe(self) -> str:
        return f"{self.dim} fair bits"


@final
class UniformSphere(UniformPrior):
    """Uniform on the unit sphere, a density by its area. Davidson et al. 2018."""

    support = SPHERE

    def __init__(self, *, code_dim: Count, spec: Any = None) -> None:
        super().__init__(code_dim, log_area(code_dim))

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        return F.normalize(normal(n, self.dim, generator, self.get_buffer("anchor")), dim=-1)

    def describe(self) -> str:
        return f"uniform on the unit sphere in {self.dim} dimensions"
