"""The terms of a loss, their weights, and the objective that adds them."""

from pushforward.objectives.adversarial import (
    HingeCritic,
    LeastSquaresCritic,
    LeastSquaresGenerator,
    NonSaturatingCritic,
    NonSaturatingGenerator,
    RelativisticCritic,
    RelativisticGenerator,
    SaturatingGenerator,
    WassersteinCritic,
    WassersteinGenerator,
)
from pushforward.objectives.denoising import DiffusionBound, FieldError, MinSNR
from pushforward.objectives.density import NegativeLogLikelihood
from pushforward.objectives.divergence import KL, ImportanceWeightedBound, TotalCorrelation
from pushforward.objectives.guesses import ClassGuess, CodeGuess
from pushforward.objectives.passes import (
    AutoencoderPass,
    CriticPass,
    DensityPass,
    FieldPass,
    GANPass,
    Guesses,
    PairedPass,
)
from pushforward.objectives.penalties import R1, R2, GradientPenalty, PerturbedGradientPenalty
from pushforward.objectives.quantization import Commitment, Perplexity
from pushforward.objectives.reconstruction import Reconstruction
from pushforward.objectives.sparsity import L1, ActivationKL
from pushforward.objectives.term import Objective, Term
from pushforward.objectives.weighting import Capacity, Constant, Cyclical, FreeBits, Warmup, Weight

__all__ = [
    "KL",
    "L1",
    "R1",
    "R2",
    "ActivationKL",
    "AutoencoderPass",
    "Capacity",
    "ClassGuess",
    "CodeGuess",
    "Commitment",
    "Constant",
    "CriticPass",
    "Cyclical",
    "DensityPass",
    "DiffusionBound",
    "FieldError",
    "FieldPass",
    "FreeBits",
    "GANPass",
    "GradientPenalty",
    "Guesses",
    "HingeCritic",
    "ImportanceWeightedBound",
    "LeastSquaresCritic",
    "LeastSquaresGenerator",
    "MinSNR",
    "NegativeLogLikelihood",
    "NonSaturatingCritic",
    "NonSaturatingGenerator",
    "Objective",
    "PairedPass",
    "Perplexity",
    "PerturbedGradientPenalty",
    "Reconstruction",
    "RelativisticCritic",
    "RelativisticGenerator",
    "SaturatingGenerator",
    "Term",
    "TotalCorrelation",
    "Warmup",
    "WassersteinCritic",
    "WassersteinGenerator",
    "Weight",
]
