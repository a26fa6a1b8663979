"""How far each dimension of a code stands for one factor of the data: six published scores of codes and factors.

All take codes (n, d) and the factors' value indices (n, k), as Locatello et al. 2019 define them in disentanglement_lib;
what differs is said in each docstring. Randomness comes from a generator alone.
"""

from pushforward.metrics.disentanglement.beta_vae import beta_vae_score
from pushforward.metrics.disentanglement.dci import DCI, dci
from pushforward.metrics.disentanglement.discrete import discretize, mutual_information
from pushforward.metrics.disentanglement.factor_vae import factor_vae_score
from pushforward.metrics.disentanglement.mig import mig
from pushforward.metrics.disentanglement.modularity import modularity
from pushforward.metrics.disentanglement.sap import sap
from pushforward.metrics.disentanglement.scores import Settings, scores

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
