"""The terms of a loss, their weights, and the objective that adds them."""

from pushforward.objectives.adversarial import (
    BidirectionalModel,
    DensityRatio,
    HingeCritic,
    LeastSquaresCritic,
    LeastSquaresGenerator,
    NonSaturatingCritic,
    NonSaturatingGenerator,
    RelativisticCritic,
    RelativisticGenerator,
    SaturatingGenerator,
    VAEGANCritic,
    VAEGANDecoder,
    WassersteinCritic,
    WassersteinGenerator,
)
from pushforward.objectives.denoising import DiffusionBound, FieldError, MinSNR
from pushforward.objectives.density import NegativeLogLikelihood
from pushforward.objectives.divergence import (
    KL,
    CombinedBound,
    ImportanceWeightedBound,
    MultiplyImportanceWeightedBound,
    PartiallyImportanceWeightedBound,
    TotalCorrelation,
)
from pushforward.objectives.equilibrium import (
    ConvergenceMeasure,
    EquilibriumCritic,
    EquilibriumGenerator,
    EquilibriumState,
)
from pushforward.objectives.guesses import ClassGuess, CodeGuess
from pushforward.objectives.matching import MMD, DisentangledCovariance, SlicedWasserstein
from pushforward.objectives.passes import (
    AutoencoderPass,
    CriticPass,
    DensityPass,
    Equilibrium,
    FieldPass,
    GANPass,
    Guesses,
    PairedPass,
    VAEGANPass,
)
from pushforward.objectives.penalties import R1, R2, GradientPenalty, PerturbedGradientPenalty
from pushforward.objectives.quantization import Commitment, Perplexity
from pushforward.objectives.reconstruction import FeatureReconstruction, LayerDenoising, Reconstruction
from pushforward.objectives.similarity import Dissimilarity
from pushforward.objectives.smoothness import CodeNorm, ContractivePenalty, DecoderNorm, DecoderSlope
from pushforward.objectives.sparsity import L1, ActivationKL
from pushforward.objectives.term import Objective, Term
from pushforward.objectives.weighting import Capacity, Constant, Cyclical, During, FreeBits, Normalised, Warmup, Weight

__all__ = [
    "KL",
    "L1",
    "MMD",
    "R1",
    "R2",
    "ActivationKL",
    "AutoencoderPass",
    "BidirectionalModel",
    "Capacity",
    "ClassGuess",
    "CodeGuess",
    "CodeNorm",
    "CombinedBound",
    "Commitment",
    "Constant",
    "ContractivePenalty",
    "ConvergenceMeasure",
    "CriticPass",
    "Cyclical",
    "DecoderNorm",
    "DecoderSlope",
    "DensityPass",
    "DensityRatio",
    "DiffusionBound",
    "DisentangledCovariance",
    "Dissimilarity",
    "During",
    "Equilibrium",
    "EquilibriumCritic",
    "EquilibriumGenerator",
    "EquilibriumState",
    "FeatureReconstruction",
    "FieldError",
    "FieldPass",
    "FreeBits",
    "GANPass",
    "GradientPenalty",
    "Guesses",
    "HingeCritic",
    "ImportanceWeightedBound",
    "LayerDenoising",
    "LeastSquaresCritic",
    "LeastSquaresGenerator",
    "MinSNR",
    "MultiplyImportanceWeightedBound",
    "NegativeLogLikelihood",
    "NonSaturatingCritic",
    "NonSaturatingGenerator",
    "Normalised",
    "Objective",
    "PairedPass",
    "PartiallyImportanceWeightedBound",
    "Perplexity",
    "PerturbedGradientPenalty",
    "Reconstruction",
    "RelativisticCritic",
    "RelativisticGenerator",
    "SaturatingGenerator",
    "SlicedWasserstein",
    "Term",
    "TotalCorrelation",
    "VAEGANCritic",
    "VAEGANDecoder",
    "VAEGANPass",
    "Warmup",
    "WassersteinCritic",
    "WassersteinGenerator",
    "Weight",
]
