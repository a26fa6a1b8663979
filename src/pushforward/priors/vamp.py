"""The variational mixture of posteriors: a mixture of the encoder's posteriors at trained inputs."""

import math
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.bottlenecks import GaussianPosterior, Posterior
from pushforward.distributions.gaussian import log_normal
from pushforward.domains import Count, Positive
from pushforward.errors import PushforwardError
from pushforward.priors.codes import normal
from pushforward.priors.prior import Prior
from pushforward.spec import DataSpec


@final
class VampPrior(Prior):
    """p(z) = (1/K) Σₖ q(z|uₖ) over K trained pseudo-inputs uₖ, kept within the data's range. Tomczak & Welling 2018, eq. 9.

    They start as N(½, `spread`²), in units of the range. Their gradient comes through the encoder, which is trained as well.
    """

    def __init__(self, components: Count, spread: Positive, *, code_dim: Count, spec: DataSpec) -> None:
        super().__init__()
        self.code_dim, self.bounds = code_dim, (spec.low, spec.high) if spec.bounded else None
        middle, width = ((spec.low + spec.high) / 2, spec.high - spec.low) if spec.bounded else (0.0, 1.0)
        self.inputs = nn.Parameter(middle + width * spread * torch.randn(components, *spec.shape))
        self._posterior: Callable[[Tensor], Posterior] | None = None

    def attach(self, posterior: Callable[[Tensor], Posterior]) -> None:
        self._posterior = posterior

    def components(self) -> GaussianPosterior:
        """q(z|uₖ): means and log standard deviations, (K, d) each. Raises PushforwardError where they are no Gaussians."""
        assert self._posterior is not None
        q = self._posterior(self.inputs if self.bounds is None else self.inputs.clamp(*self.bounds))
        if not isinstance(q, GaussianPosterior):
            raise PushforwardError(
                "model.prior: VampPrior mixes Gaussian posteriors; use bottleneck=gaussian (model=vae)"
            )
        return q

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log (1/K) Σₖ N(z; μₖ, σₖ²), nats per code."""
        q = self.components()
        each = log_normal(z[:, None].expand(-1, len(self.inputs), -1), q.mean.to(z), q.log_std.to(z))
        return each.logsumexp(1) - math.log(len(self.inputs))

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        q = self.components()
        chosen = torch.randint(len(self.inputs), (n,), generator=generator, device=generator.device).to(q.mean.device)
        return q.mean[chosen] + q.log_std[chosen].exp() * normal(n, self.code_dim, generator, q.mean)

    def describe(self) -> str:
        return f"mixture of the posteriors of {len(self.inputs)} trained inputs"
