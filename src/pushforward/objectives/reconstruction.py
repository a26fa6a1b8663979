"""What a decoder pays for the data."""

from typing import Any

from torch import Tensor

from pushforward.objectives.term import Term


class Reconstruction(Term):
    """Distortion −log p(x|z), nats per image, (n,). Sums over all dimensions of an image, whatever the likelihood."""

    symbol = "−log p(x|z)"
    needs = frozenset({"likelihood"})

    def forward(self, passed: Any) -> Tensor:
        return passed.likelihood.distortion(passed.params, passed.x)
