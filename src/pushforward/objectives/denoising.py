"""The regression loss of a field on noised data."""

import torch
from torch import Tensor

from pushforward.domains import NonNegative, Positive
from pushforward.numbers import number
from pushforward.objectives.passes import FieldPass
from pushforward.objectives.term import Term
from pushforward.objectives.weighting import Weight


class FieldError(Term[FieldPass]):
    """‖target − f(x_t, t)‖² at a random t, summed over the image, (n,). Ho et al. 2020, eq. 14; Lipman et al. 2023."""

    symbol = "‖target − f(x_t, t)‖²"
    unit = "squared error"
    needs = frozenset({"field"})

    def forward(self, passed: FieldPass) -> Tensor:
        return (passed.target - passed.prediction).square().flatten(1).sum(1)


class MinSNR(Term[FieldPass]):
    """min(SNR, γ)·‖x − x̂‖² at a random t, summed over the image, (n,), whatever the field predicts. Hang et al. 2023, eq. 8."""

    symbol = "min(SNR, γ)·‖x − x̂‖²"
    unit = "squared error"
    needs = frozenset({"field", "snr"})
    remedy = "Only model=ddpm has a signal-to-noise ratio. Elsewhere use pushforward.objectives.FieldError."
    gamma: Tensor

    def __init__(self, gamma: Positive, weight: NonNegative | Weight = 1.0) -> None:
        super().__init__(weight)
        number(self, "gamma", gamma)

    def forward(self, passed: FieldPass) -> Tensor:
        assert passed.snr is not None and passed.per_error is not None
        error = (passed.target - passed.prediction).square().flatten(1).sum(1)
        return torch.minimum(passed.snr, self.gamma) * passed.per_error * error


class DiffusionBound(Term[FieldPass]):
    """−ELBO of a diffusion, nats per image, (n,), estimated by one random step of the chain. Ho et al. 2020, eq. 5."""

    symbol = "−ELBO"
    needs = frozenset({"bound"})
    remedy = "Only a chain in discrete time has it: model=ddpm. Elsewhere use pushforward.objectives.FieldError."

    def forward(self, passed: FieldPass) -> Tensor:
        assert passed.bound is not None
        return passed.bound()
