"""A prior whose units depend on one another, so that no posterior of independent units can equal it."""

import math
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.distributions.gaussian import kl_gaussians, log_normal
from pushforward.domains import Count, Positive
from pushforward.errors import PushforwardError
from pushforward.numbers import number
from pushforward.priors.codes import normal
from pushforward.priors.prior import Prior


def committed_rate(alpha: float, d: int) -> float:
    """δ, nats: the least KL of independent Gaussians to the AR(1) process of d units. Razavi et al. 2019, sec. 2.2.

    ½[(d − 2) ln(1 + α²) − ln(1 − α²)], reached where means are 0 and each variance is one over the prior's precision.
    """
    return 0.5 * ((d - 2) * math.log1p(alpha**2) - math.log1p(-(alpha**2)))


@final
class AutoregressivePrior(Prior):
    """z₁ ~ N(0, 1), zᵢ|zᵢ₋₁ ~ N(α zᵢ₋₁, 1 − α²): each unit is N(0, 1), and neighbours correlate by α. Razavi et al. 2019.

    delta: the committed rate, nats, which fixes α: KL(q(z|x) ‖ p(z)) ≥ delta for every diagonal Gaussian q.
    """

    odds: Tensor
    """α²/(1 − α²)."""

    def __init__(self, delta: Positive, *, code_dim: Count, spec: Any = None) -> None:
        super().__init__()
        if code_dim < 2:
            raise PushforwardError(
                "prior: AutoregressivePrior correlates units, and the code has one; use model.code_dim=2 or more"
            )
        self.code_dim, self.delta = code_dim, delta
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if committed_rate(middle, code_dim) < delta else (low, middle)
        number(self, "odds", low**2 / (1 - low**2))

    @property
    def alpha(self) -> Tensor:
        """The correlation of neighbours, ()."""
        return (self.odds / (1 + self.odds)).sqrt()

    def conditionals(self, z: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """Mean and log σ of each unit given the one before it."""
        first = torch.zeros_like(z[:, :1])
        log_std = -0.5 * torch.log1p(self.odds).to(z)
        return torch.cat([first, self.alpha * z[:, :-1]], 1), torch.cat([first, log_std.expand_as(z[:, 1:])], 1)

    def kl(self, mean: Float[Tensor, "n d"], log_std: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """KL(N(μ, σ²) ‖ p), nats per unit: that of unit i given the one before, in the mean over it under q."""
        given, log_std_given = self.conditionals(mean)
        spread = (2 * log_std[:, :-1]).exp() * self.odds
        return kl_gaussians(mean, log_std, given, log_std_given) + 0.5 * torch.cat(
            [torch.zeros_like(mean[:, :1]), spread], 1
        )

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(z), nats per code."""
        return log_normal(z, *self.conditionals(z))

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        noise = normal(n, self.code_dim, generator, self.odds)
        units = [noise[:, 0]]
        for eps in noise.T[1:]:
            units.append(self.alpha * units[-1] + (1 + self.odds).rsqrt() * eps)
        return torch.stack(units, 1)

    def describe(self) -> str:
        return f"AR(1), α = {float(self.alpha):.3g}: a rate of {self.delta:g} nats at least"
