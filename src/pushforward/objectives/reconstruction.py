"""The reconstruction term of a decoder."""

from torch import Tensor

from pushforward.objectives.passes import AutoencoderPass
from pushforward.objectives.term import Term


class Reconstruction(Term[AutoencoderPass]):
    """Distortion −log p(x|z), nats per image, (n,). Sums over all dimensions of an image, whatever the likelihood."""

    symbol = "−log p(x|z)"
    needs = frozenset({"likelihood"})

    def forward(self, passed: AutoencoderPass) -> Tensor:
        value = passed.distortion()
        return value if value.ndim == 1 else value.mean(0)
