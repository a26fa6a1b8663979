"""The regression loss of a field on noised data."""

from torch import Tensor

from pushforward.objectives.passes import FieldPass
from pushforward.objectives.term import Term


class FieldError(Term[FieldPass]):
    """‖target − f(x_t, t)‖² at a random t, summed over the image, (n,). Ho et al. 2020, eq. 14; Lipman et al. 2023."""

    symbol = "‖target − f(x_t, t)‖²"
    unit = "squared error"
    needs = frozenset({"field"})

    def forward(self, passed: FieldPass) -> Tensor:
        return (passed.target - passed.prediction).square().flatten(1).sum(1)


class DiffusionBound(Term[FieldPass]):
    """−ELBO of a diffusion, nats per image, (n,), estimated by one random step of the chain. Ho et al. 2020, eq. 5."""

    symbol = "−ELBO"
    needs = frozenset({"bound"})
    remedy = "Only a chain in discrete time has it: model=ddpm. Elsewhere use pushforward.objectives.FieldError."

    def forward(self, passed: FieldPass) -> Tensor:
        assert passed.bound is not None
        return passed.bound()
