"""The families of generative models; each final class is a LightningModule."""

from pushforward.engine import Loss, Player, Progress, Tuning
from pushforward.families.adversarial_autoencoder import AdversarialAutoencoder, FactorVAE
from pushforward.families.autoencoder import (
    Autoencoder,
    DenoisingAutoencoder,
    PlainAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
    WassersteinAutoencoder,
)
from pushforward.families.autoregressive import Autoregressive
from pushforward.families.capabilities import (
    VERBS,
    ClassConditional,
    Decodes,
    DecodesToLikelihood,
    Denoises,
    Encodes,
    EstimatesGradient,
    FollowsPaths,
    HasCodes,
    HasLikelihood,
    HasPosterior,
    HasPrior,
    IterativeLikelihood,
    IterativeLogProb,
    IterativeSampler,
    LogProb,
    Reconstructs,
    Samples,
    ShowsSteps,
    Sparse,
    TakesOtherSamplers,
    WorksOnLogits,
)
from pushforward.families.critics import AutoencodingCritic
from pushforward.families.diffusion import Diffusion
from pushforward.families.encoded_gan import VAEGAN, BiGAN
from pushforward.families.family import Family, Likelihoods
from pushforward.families.flow import Flow
from pushforward.families.gan import GAN
from pushforward.families.stacked_autoencoder import StackedDenoisingAutoencoder

__all__ = [
    "GAN",
    "VAEGAN",
    "VERBS",
    "AdversarialAutoencoder",
    "Autoencoder",
    "AutoencodingCritic",
    "Autoregressive",
    "BiGAN",
    "ClassConditional",
    "Decodes",
    "DecodesToLikelihood",
    "Denoises",
    "DenoisingAutoencoder",
    "Diffusion",
    "Encodes",
    "EstimatesGradient",
    "FactorVAE",
    "Family",
    "Flow",
    "FollowsPaths",
    "HasCodes",
    "HasLikelihood",
    "HasPosterior",
    "HasPrior",
    "IterativeLikelihood",
    "IterativeLogProb",
    "IterativeSampler",
    "Likelihoods",
    "LogProb",
    "Loss",
    "PlainAutoencoder",
    "Player",
    "Progress",
    "Reconstructs",
    "Samples",
    "ShowsSteps",
    "Sparse",
    "SparseAutoencoder",
    "StackedDenoisingAutoencoder",
    "TakesOtherSamplers",
    "Tuning",
    "VariationalAutoencoder",
    "WassersteinAutoencoder",
    "WorksOnLogits",
]
