"""Penalties that keep codes sparse."""

import torch
from torch import Tensor

from pushforward.domains import NonNegative, Probability
from pushforward.errors import PushforwardError
from pushforward.numbers import number
from pushforward.objectives.passes import AutoencoderPass
from pushforward.objectives.term import Term
from pushforward.objectives.weighting import Weight
from pushforward.parallel import gather_batch

TINY = 1e-6


def bernoulli_kl(rho: Tensor, activation: Tensor) -> Tensor:
    """KL(ρ ‖ ρ̂) of two coins, nats, elementwise; zero iff equal."""
    mean = activation.clamp(TINY, 1 - TINY)
    return rho * (rho.log() - mean.log()) + (1 - rho) * (torch.log1p(-rho) - torch.log1p(-mean))


class ActivationKL(Term[AutoencoderPass]):
    """Σⱼ KL(ρ ‖ ρ̂ⱼ), nats, (): ρ̂ⱼ is unit j's mean activation over the global batch. Ng 2011, CS294A notes."""

    symbol = "Σⱼ KL(ρ‖ρ̂ⱼ)"
    rho: Tensor
    couples_batch = True
    needs = frozenset({"unit activations"})
    remedy = "Its codes must lie in [0, 1]: model.bottleneck.activation=sigmoid."

    def __init__(self, rho: Probability, weight: NonNegative | Weight = 1.0) -> None:
        super().__init__(weight)
        number(self, "rho", rho)
        if not 0 < rho < 1:
            raise PushforwardError(
                f"objective: the target activation rho={rho:g} must lie between 0 and 1, such as 0.05"
            )

    def forward(self, passed: AutoencoderPass) -> Tensor:
        return bernoulli_kl(self.rho, gather_batch(passed.z).mean(0)).sum()


class L1(Term[AutoencoderPass]):
    """Σⱼ |zⱼ| of a code, (n,), in units of activation."""

    symbol = "‖z‖₁"
    unit = "activation"
    needs = frozenset({"code"})

    def forward(self, passed: AutoencoderPass) -> Tensor:
        return passed.z.abs().sum(-1)
