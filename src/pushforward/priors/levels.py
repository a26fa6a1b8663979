"""The prior of codes of several levels, whose conditional Gaussians the bottleneck has: inference uses them too."""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.bottlenecks import Bottleneck, Levels
from pushforward.distributions.gaussian import log_normal
from pushforward.domains import Count
from pushforward.errors import PushforwardError
from pushforward.priors.normal import StandardNormal
from pushforward.priors.prior import Prior


@final
class LevelPrior(Prior):
    """p(z_L) Πₗ p(zₗ | levels above), p(z_L) = N(0, I), over codes laid end to end from z₁ upwards.

    Raises PushforwardError where the model's bottleneck has no levels.
    """

    def __init__(self, *, code_dim: Count, spec: Any = None) -> None:
        super().__init__()
        self.code_dim = code_dim

    def bind(self, bottleneck: Bottleneck) -> None:
        if not isinstance(bottleneck, Levels):
            raise PushforwardError(
                "prior: LevelPrior is of codes of several levels, and this bottleneck has none; use "
                "prior=null, or a bottleneck such as that of model=hierarchical_vae"
            )
        self.sizes = bottleneck.sizes
        self.top = StandardNormal(self.sizes[-1])
        # as bound methods: the bottleneck's parameters are its own
        self._conditional, self._generated = bottleneck.conditional, bottleneck.generated

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Σₗ log p(zₗ | levels above), nats per code."""
        levels = z.split(self.sizes, -1)
        each = zip(levels, self._generated(levels), strict=True)
        return torch.stack([log_normal(level, *normal) for level, normal in each]).sum(0)

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        """Draws from the top level downwards."""
        z = [self.top.sample(n, generator)]
        for level in reversed(range(len(self.sizes) - 1)):
            mean, log_std = self._conditional(level, z)
            noise = torch.randn(n, self.sizes[level], generator=generator, device=generator.device).to(mean)
            z.insert(0, mean + log_std.exp() * noise)
        return torch.cat(z, -1)

    def describe(self) -> str:
        return f"levels of {' + '.join(map(str, self.sizes))} dimensions, each Gaussian given those above"
