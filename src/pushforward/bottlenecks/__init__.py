"""Bottlenecks: from an encoder's features to a code."""

from pushforward.bottlenecks.bottleneck import ACTIVATIONS, Bottleneck, Deterministic, Gaussian, TakesFewValues, affine
from pushforward.bottlenecks.code import (
    BITS,
    ONE_HOT,
    REAL,
    SPHERE,
    Code,
    Codes,
    GaussianPosterior,
    Posterior,
    Shape,
    flat,
    shaped,
)
from pushforward.bottlenecks.discrete import (
    Bernoulli,
    BernoulliPosterior,
    Categorical,
    CategoricalPosterior,
    RelaxedBernoulli,
)
from pushforward.bottlenecks.flows import FlowPosterior, InverseAutoregressive, Planar
from pushforward.bottlenecks.levels import BottomUpLevels, LadderLevels, LevelPosterior, Levels, ResidualLevels
from pushforward.bottlenecks.quantized import FiniteScalarQuantizer, VectorQuantizer
from pushforward.bottlenecks.sparse import Dropout, LifetimeSparsity, TopK
from pushforward.bottlenecks.spherical import Spherical, VonMisesFisherPosterior

__all__ = [
    "ACTIVATIONS",
    "BITS",
    "ONE_HOT",
    "REAL",
    "SPHERE",
    "Bernoulli",
    "BernoulliPosterior",
    "Bottleneck",
    "BottomUpLevels",
    "Categorical",
    "CategoricalPosterior",
    "Code",
    "Codes",
    "Deterministic",
    "Dropout",
    "FiniteScalarQuantizer",
    "FlowPosterior",
    "Gaussian",
    "GaussianPosterior",
    "InverseAutoregressive",
    "LadderLevels",
    "LevelPosterior",
    "Levels",
    "LifetimeSparsity",
    "Planar",
    "Posterior",
    "RelaxedBernoulli",
    "ResidualLevels",
    "Shape",
    "Spherical",
    "TakesFewValues",
    "TopK",
    "VectorQuantizer",
    "VonMisesFisherPosterior",
    "affine",
    "flat",
    "shaped",
]
