"""Densities over codes: the standard normal, and those fitted to codes after training.

Each has `fit(codes, …settings)`, `sample(n, generator)`, `log_prob(z)` in nats, and `describe()`.
"""

from pushforward.priors.flow import FittedFlow
from pushforward.priors.mixture import FittedGaussian, FittedMixture, Mixture
from pushforward.priors.neighbours import FittedNeighbours
from pushforward.priors.normal import StandardNormal
from pushforward.priors.prior import Prior

__all__ = ["FittedFlow", "FittedGaussian", "FittedMixture", "FittedNeighbours", "Mixture", "Prior", "StandardNormal"]
