"""The families of generative models; each final class is a LightningModule."""

from pushforward.families.autoencoder import (
    Autoencoder,
    DenoisingAutoencoder,
    PlainAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from pushforward.families.family import Family, Likelihoods, Loss, Progress
from pushforward.families.players import Player, Tuning

__all__ = [
    "Autoencoder",
    "DenoisingAutoencoder",
    "Family",
    "Likelihoods",
    "Loss",
    "PlainAutoencoder",
    "Player",
    "Progress",
    "SparseAutoencoder",
    "Tuning",
    "VariationalAutoencoder",
]
