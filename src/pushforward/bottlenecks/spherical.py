"""A bottleneck whose codes are points on the unit sphere."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pushforward.bottlenecks.bottleneck import Bottleneck, affine
from pushforward.bottlenecks.code import SPHERE, Code, Codes, Posterior, Shape
from pushforward.distributions.von_mises_fisher import accepted, kl_uniform_sphere, log_area, log_mean_exp
from pushforward.domains import Count
from pushforward.errors import PushforwardError

PROPOSALS = 20
"""Proposals drawn for a code: none is accepted with a probability below 0.35²⁰ = 8e-10."""


class VonMisesFisherPosterior(Posterior):
    """vMF(μ, κ) on the unit sphere: direction μ (n, d) and concentration κ (n,)."""

    def __init__(self, direction: Tensor, kappa: Tensor) -> None:
        self.mean, self.kappa, self.dim = direction, kappa, direction.shape[-1]

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        z, log_q, _ = self.corrected(noise)
        return z, log_q

    def corrected(self, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, their log q(z|x), and log q/r of what was accepted: t μ + √(1 − t²) v, v a direction tangent to μ."""
        proposals, uniform, normal = noise.split((PROPOSALS, PROPOSALS, self.dim), -1)
        below, above, log_ratio = accepted(self.kappa, self.dim, proposals, uniform)
        tangent = normal - (normal * self.mean).sum(-1, keepdim=True) * self.mean
        radius = torch.sqrt(below * above)[..., None].to(normal)
        z = (1 - below)[..., None].to(normal) * self.mean + radius * F.normalize(tangent, dim=-1)
        return z, self._log_prob(1 - below).to(normal), log_ratio.to(normal)

    def log_prob(self, z: Tensor) -> Tensor:
        return self._log_prob((z * self.mean).sum(-1)).to(z)

    def _log_prob(self, t: Tensor) -> Tensor:
        """log q where μᵀz = t."""
        return self.kappa.double() * t - log_mean_exp(self.kappa, self.dim)[0] - log_area(self.dim)

    def kl_uniform(self) -> Tensor:
        """KL to the uniform distribution on the sphere, nats, (n,)."""
        return kl_uniform_sphere(self.kappa, self.dim).to(self.mean)


class Spherical(Bottleneck):
    """z ~ vMF(μ, κ) on the unit sphere in `code_dim` dimensions. Davidson, Falorsi, De Cao, Kipf & Tomczak 2018.

    μ is W h + b scaled to length 1, κ = 1 + softplus(w h + b), as the authors' code has it. Draws are accepted from proposals,
    so beside its path a gradient weighs how the accepted ones depend on κ.
    """

    gives = frozenset({"code", "posterior"})
    support = SPHERE
    corrected = True

    def __init__(self, in_shape: Shape, code_dim: Count) -> None:
        super().__init__()
        if len(in_shape) > 1:
            raise PushforwardError("bottleneck: Spherical makes vectors; use model.code=vector")
        if code_dim < 2:
            raise PushforwardError("bottleneck: Spherical needs model.code_dim of at least 2")
        self.shapes = ((code_dim,),)
        self.linear = affine(in_shape, code_dim + 1)

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        """Proposals, uniform numbers that accept them, and a normal vector: (n, 2 `PROPOSALS` + d)."""
        # a coordinate t of a uniform point on the sphere has (1 + t)/2 ~ Beta((d − 1)/2, (d − 1)/2)
        normal = torch.randn(n, PROPOSALS, self.dim, generator=generator, device=generator.device)
        beta = (0.5 + 0.5 * F.normalize(normal, dim=-1)[..., 0]).clamp(1e-7, 1 - 1e-7)
        uniform = torch.rand(n, PROPOSALS, generator=generator, device=generator.device)
        return torch.cat((beta, uniform, torch.randn(n, self.dim, generator=generator, device=generator.device)), 1)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        value = self.linear(features)
        value = (
            value.float() if value.dtype == torch.bfloat16 else value
        )  # a direction of length 1 to three digits is not
        q = VonMisesFisherPosterior(F.normalize(value[:, :-1], dim=-1), 1 + F.softplus(value[:, -1]))
        if noise is None:
            return Code(q.mean, q)
        z, log_q, correction = q.corrected(noise)
        return Code(z, q, log_q=log_q, correction=correction)

    def valid(self, z: Codes) -> Codes:
        assert isinstance(z, Tensor)
        return F.normalize(z, dim=-1)

    def describe(self) -> str:
        return f"von Mises–Fisher posterior on the unit sphere in {self.size()}"
