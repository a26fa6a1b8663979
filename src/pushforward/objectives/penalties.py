"""Penalties on a critic's slope. They differentiate it at single images, so it must not mix the batch."""

import torch
from torch import Tensor

from pushforward.distributions.input_gradient import input_gradient
from pushforward.domains import NonNegative
from pushforward.numbers import number
from pushforward.objectives.passes import CriticPass
from pushforward.objectives.term import Term
from pushforward.objectives.weighting import Weight
from pushforward.parallel import gather_batch

SLOPES = frozenset({"slopes of the critic"})
REMEDY = "Under objective.critic, with a critic without batch normalisation: model.critic.norm=layer, or none."


class GradientPenalty(Term[CriticPass]):
    """(‖∇D(x̂)‖ − target)², x̂ between real and generated, squared units of slope, (n,). Gulrajani et al. 2017, eq. 3."""

    symbol = "(‖∇D(x̂)‖ − 1)²"
    unit = "slope²"
    needs = SLOPES
    remedy = REMEDY

    target: Tensor

    def __init__(self, weight: NonNegative | Weight, target: NonNegative = 1.0) -> None:
        super().__init__(weight)
        number(self, "target", target)
        self.symbol = f"(‖∇D(x̂)‖ − {target:g})²"  # type: ignore[misc]

    def forward(self, passed: CriticPass) -> Tensor:
        between = torch.lerp(passed.fake, passed.real, passed.mix.view(-1, *[1] * (passed.real.ndim - 1)))
        return (norm(input_gradient(passed.critic, between)) - self.target).square()


class R1(Term[CriticPass]):
    """½‖∇D(x)‖² at real images, in squared units of slope, (n,). Mescheder et al. 2018, eq. 9."""

    symbol = "½‖∇D(x)‖²"
    unit = "slope²"
    needs = SLOPES
    remedy = REMEDY

    def forward(self, passed: CriticPass) -> Tensor:
        return 0.5 * input_gradient(passed.critic, passed.real).flatten(1).square().sum(1)


class R2(Term[CriticPass]):
    """½‖∇D(G(z))‖² at generated images, in squared units of slope, (n,). Mescheder et al. 2018, eq. 9."""

    symbol = "½‖∇D(G(z))‖²"
    unit = "slope²"
    needs = SLOPES
    remedy = REMEDY

    def forward(self, passed: CriticPass) -> Tensor:
        return 0.5 * input_gradient(passed.critic, passed.fake).flatten(1).square().sum(1)


class PerturbedGradientPenalty(Term[CriticPass]):
    """Mean of (‖∇D(x̃)‖ − target)², x̃ = x + spread·std(x)·u with u uniform on [0, 1), in slope², (). Kodali et al. 2017.

    std(x) is over all pixels of the global batch, as in the authors' program.
    """

    symbol = "(‖∇D(x̃)‖ − 1)²"
    unit = "slope²"
    couples_batch = True
    needs = SLOPES | {"perturbations of images"}
    remedy = REMEDY

    target: Tensor
    spread: Tensor

    def __init__(self, weight: NonNegative | Weight, target: NonNegative = 1.0, spread: NonNegative = 0.5) -> None:
        super().__init__(weight)
        number(self, "target", target)
        number(self, "spread", spread)
        self.symbol = f"(‖∇D(x̃)‖ − {target:g})²"  # type: ignore[misc]

    def forward(self, passed: CriticPass) -> Tensor:
        assert passed.perturbation is not None
        x = passed.real
        near = x + self.spread * gather_batch(x).std() * passed.perturbation
        return (norm(input_gradient(passed.critic, near)) - self.target).square().mean()


def norm(slope: Tensor) -> Tensor:
    """‖slope‖ of each image, (n,)."""
    # the norm of a zero gradient has no derivative: 1e-12 is far below any slope that matters
    return (slope.flatten(1).square().sum(1) + 1e-12).sqrt()
