"""What a model with a density pays for the data."""

from typing import Any

from torch import Tensor

from pushforward.objectives.term import Term


class NegativeLogLikelihood(Term):
    """−log p(x), nats per image, (n,), of the (dequantised) data."""

    symbol = "−log p(x)"
    needs = frozenset({"density"})

    def forward(self, passed: Any) -> Tensor:
        return -passed.log_prob
