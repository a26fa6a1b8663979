"""Bounds on log p(x) from several samples of the posterior."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def importance_weighted_bound(log_w: Float[Tensor, "*n k"]) -> Float[Tensor, "*n"]:
    """log (1/k) Σᵢ wᵢ, nats, over the last axis: a lower bound of log p(x) in expectation. Burda et al. 2016, eq. 8.

    log wᵢ = log p(x, zᵢ) − log q(zᵢ|x).
    """
    return torch.logsumexp(log_w, -1) - math.log(log_w.shape[-1])
