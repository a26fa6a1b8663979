"""Bottlenecks: from an encoder's features to a code."""

from pushforward.bottlenecks.bottleneck import ACTIVATIONS, Bottleneck, Deterministic, Gaussian, affine
from pushforward.bottlenecks.code import REAL, Code, Codes, GaussianPosterior, Posterior, Shape, flat, shaped
from pushforward.bottlenecks.levels import BottomUpLevels, LadderLevels, LevelPosterior, Levels, ResidualLevels
from pushforward.bottlenecks.quantized import FiniteScalarQuantizer, VectorQuantizer
from pushforward.bottlenecks.sparse import Dropout, LifetimeSparsity, TopK

__all__ = [
    "ACTIVATIONS",
    "REAL",
    "Bottleneck",
    "BottomUpLevels",
    "Code",
    "Codes",
    "Deterministic",
    "Dropout",
    "FiniteScalarQuantizer",
    "Gaussian",
    "GaussianPosterior",
    "LadderLevels",
    "LevelPosterior",
    "Levels",
    "LifetimeSparsity",
    "Posterior",
    "ResidualLevels",
    "Shape",
    "TopK",
    "VectorQuantizer",
    "affine",
    "flat",
    "shaped",
]
