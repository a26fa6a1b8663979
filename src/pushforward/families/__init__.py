"""The families of generative models; each final class is a LightningModule."""

from pushforward.engine import Loss, Player, Progress, Tuning
from pushforward.families.autoencoder import (
    Autoencoder,
    DenoisingAutoencoder,
    PlainAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from pushforward.families.diffusion import Diffusion
from pushforward.families.family import Family, Likelihoods
from pushforward.families.flow import Flow
from pushforward.families.gan import GAN

__all__ = [
    "GAN",
    "Autoencoder",
    "DenoisingAutoencoder",
    "Diffusion",
    "Family",
    "Flow",
    "Likelihoods",
    "Loss",
    "PlainAutoencoder",
    "Player",
    "Progress",
    "SparseAutoencoder",
    "Tuning",
    "VariationalAutoencoder",
]
