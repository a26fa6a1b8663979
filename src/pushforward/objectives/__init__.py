"""The terms of a loss, their weights, and the objective that adds them."""

from pushforward.objectives.divergence import KL
from pushforward.objectives.reconstruction import Reconstruction
from pushforward.objectives.sparsity import L1, ActivationKL
from pushforward.objectives.term import Objective, Term
from pushforward.objectives.weighting import Capacity, Constant, Cyclical, FreeBits, Warmup, Weight

__all__ = [
    "KL",
    "L1",
    "ActivationKL",
    "Capacity",
    "Constant",
    "Cyclical",
    "FreeBits",
    "Objective",
    "Reconstruction",
    "Term",
    "Warmup",
    "Weight",
]
