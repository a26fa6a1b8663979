"""Likelihoods of a decoder, and the mathematics of distributions that losses and metrics share; each estimator exists once."""

from pushforward.distributions.likelihoods import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Gaussian,
    Likelihood,
    auto,
)
from pushforward.distributions.mixtures import Categorical, GaussianMixture, LogisticMixture

__all__ = [
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "Gaussian",
    "GaussianMixture",
    "Likelihood",
    "LogisticMixture",
    "auto",
]
