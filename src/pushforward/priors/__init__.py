"""Densities over codes: priors that a model is trained with, and those fitted to codes after training.

Each of these has `fit(codes, …settings)`, `sample(n, generator)`, `log_prob(z)` in nats, and `describe()`.
"""

from pushforward.priors.autoregressive import AutoregressivePrior
from pushforward.priors.exemplar import ExemplarPrior
from pushforward.priors.flow import FittedFlow
from pushforward.priors.informative import InformativePrior
from pushforward.priors.levels import LevelPrior
from pushforward.priors.mixture import FittedGaussian, FittedMixture, Mixture
from pushforward.priors.neighbours import FittedNeighbours
from pushforward.priors.normal import StandardNormal
from pushforward.priors.prior import Prior, TrainingImages
from pushforward.priors.trained import FlowPrior, GaussianMixturePrior
from pushforward.priors.uniform import UniformBits, UniformCategorical, UniformSphere
from pushforward.priors.vamp import VampPrior

__all__ = [
    "AutoregressivePrior",
    "ExemplarPrior",
    "FittedFlow",
    "FittedGaussian",
    "FittedMixture",
    "FittedNeighbours",
    "FlowPrior",
    "GaussianMixturePrior",
    "InformativePrior",
    "LevelPrior",
    "Mixture",
    "Prior",
    "StandardNormal",
    "TrainingImages",
    "UniformBits",
    "UniformCategorical",
    "UniformSphere",
    "VampPrior",
]
