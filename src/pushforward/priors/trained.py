"""Priors with parameters that are trained with the model: a mixture of Gaussians, and a flow."""

import math
from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.bijections import affine_couplings
from pushforward.distributions.gaussian import log_standard_normal
from pushforward.domains import Count, Positive
from pushforward.priors.normal import StandardNormal
from pushforward.priors.prior import Prior


@final
class GaussianMixturePrior(Prior):
    """Σₖ πₖ N(z; μₖ, diag σₖ²) with trained π, μ and σ. Jiang et al. 2017 (VaDE); Tomczak & Welling 2018, sec. 3 (MoG).

    spread: the standard deviation of the first means.
    """

    def __init__(self, components: Count, spread: Positive, *, code_dim: Count, spec: Any = None) -> None:
        super().__init__()
        self.means = nn.Parameter(spread * torch.randn(components, code_dim))
        self.log_stds = nn.Parameter(torch.zeros(components, code_dim))
        self.logits = nn.Parameter(torch.zeros(components))

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(z), nats per code."""
        e = (z[:, None] - self.means) * torch.exp(-self.log_stds)
        each = -0.5 * (e.square() + math.log(2 * math.pi)).sum(-1) - self.log_stds.sum(-1)
        return torch.logsumexp(self.logits.log_softmax(0) + each, 1)

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        chosen = torch.multinomial(self.logits.softmax(0).to(generator.device), n, True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, device=generator.device).to(self.means)
        return self.means[chosen] + self.log_stds[chosen].exp() * noise

    def describe(self) -> str:
        return f"mixture of {len(self.means)} Gaussians"


@final
class FlowPrior(Prior):
    """z = f⁻¹(u), u ~ N(0, I), f affine couplings. Chen et al. 2017 (variational lossy autoencoder)."""

    def __init__(self, transforms: Count, hidden: Sequence[Count], *, code_dim: Count, spec: Any = None) -> None:
        super().__init__()
        self.base = StandardNormal(code_dim)
        self.bijection = affine_couplings(code_dim, transforms, tuple(hidden))

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log N(f(z); 0, I) + log |det ∂f/∂z|, nats per code."""
        u, ladj = self.bijection().call_and_ladj(z)
        return log_standard_normal(u) + ladj

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        return self.bijection().inv(self.base.sample(n, generator))

    def describe(self) -> str:
        return f"flow of {len(self.bijection.transforms)} affine couplings"
