"""Disentanglement, one dimension of a code for each factor of the data: six published scores of codes and factors.

All take codes (n, d) and the factors' value indices (n, k), as Locatello et al. 2019 define them in disentanglement_lib;
what differs is said in each docstring. Randomness comes from a generator alone.
"""

from pushforward.metrics.disentanglement.gaps import discretize, mig, modularity, mutual_information
from pushforward.metrics.disentanglement.predictors import DCI, dci, sap
from pushforward.metrics.disentanglement.scores import Settings, scores
from pushforward.metrics.disentanglement.votes import beta_vae_score, factor_vae_score

__all__ = [
    "DCI",
    "Settings",
    "beta_vae_score",
    "dci",
    "discretize",
    "factor_vae_score",
    "mig",
    "modularity",
    "mutual_information",
    "sap",
    "scores",
]
