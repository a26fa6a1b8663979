"""Reconstruction terms: of a decoder, and of each layer of a stack."""

from torch import Tensor

from pushforward.domains import Count, NonNegative
from pushforward.objectives.passes import AutoencoderPass
from pushforward.objectives.term import Term
from pushforward.objectives.weighting import Weight


class Reconstruction(Term[AutoencoderPass]):
    """Distortion −log p(x|z), nats per image, (n,). Sums over all dimensions of an image, whatever the likelihood."""

    symbol = "−log p(x|z)"
    needs = frozenset({"likelihood"})

    def forward(self, passed: AutoencoderPass) -> Tensor:
        value = passed.distortion()
        return value if value.ndim == 1 else value.mean(0)


class FeatureReconstruction(Reconstruction):
    """−log N(h(x); h(x̃), I) of a critic's features h, nats per image, (n,). Larsen et al. 2016, eq. 7 and 8 (VAE/GAN)."""

    symbol = "−log p(h(x)|z)"
    needs = frozenset({"features of the critic"})
    remedy = "The model must have a critic with features: model=vae_gan."


class LayerDenoising(Term[AutoencoderPass]):
    """A layer's loss of its own input h under corruption, (n,): −log p(x|h̃) in nats of the first one, else ½‖h − g(f(h̃))‖².

    Vincent et al. 2010, sec. 3. Its gradient reaches that layer and its mirror in the decoder. layer: counted from 1.
    """

    needs = frozenset({"layers"})
    remedy = "Only model=stacked_denoising_ae trains its layers one by one."

    def __init__(self, layer: Count, weight: NonNegative | Weight = 1.0) -> None:
        super().__init__(weight)
        self.layer = layer
        self.symbol = "−log p(x|f₁(x̃))" if layer == 1 else f"½‖h − ĥ‖² of layer {layer}"  # type: ignore[misc]
        self.unit = "nats" if layer == 1 else "code²"  # type: ignore[misc]

    def forward(self, passed: AutoencoderPass) -> Tensor:
        assert passed.layer_error is not None
        return passed.layer_error(self.layer)
