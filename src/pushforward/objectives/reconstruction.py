"""The reconstruction terms of a decoder."""

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


class FeatureReconstruction(Reconstruction):
    """−log N(h(x); h(x̃), I) of a critic's features h, nats per image, (n,). Larsen et al. 2016, eq. 7 and 8 (VAE/GAN)."""

    symbol = "−log p(h(x)|z)"
    needs = frozenset({"features of the critic"})
    remedy = "The model must have a critic with features: model=vae_gan."
