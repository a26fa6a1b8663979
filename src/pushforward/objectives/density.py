"""The negative log-likelihood of a model with a density."""

from torch import Tensor

from pushforward.objectives.passes import DensityPass
from pushforward.objectives.term import Term


class NegativeLogLikelihood(Term[DensityPass]):
    """−log p(x), nats per image, (n,), of the (dequantised) data."""

    symbol = "−log p(x)"
    needs = frozenset({"density"})

    def forward(self, passed: DensityPass) -> Tensor:
        return -passed.log_prob
