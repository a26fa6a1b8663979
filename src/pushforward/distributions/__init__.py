"""Likelihoods of a decoder, and the mathematics of distributions that losses and metrics share; each estimator exists once."""

from pushforward.distributions.likelihoods import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Gaussian,
    Likelihood,
    auto,
)

__all__ = ["Bernoulli", "ContinuousBernoulli", "DiscretizedLogistic", "Gaussian", "Likelihood", "auto"]
