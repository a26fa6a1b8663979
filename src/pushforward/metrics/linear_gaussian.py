"""Linear Gaussian models in closed form: probabilistic PCA at its best, and the bound of a linear variational autoencoder."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.distributions.gaussian import kl_standard_normal


class Fit(NamedTuple):
    """nll: −log p(x) in nats per point; variance: of the noise, σ²."""

    nll: float
    variance: float


def probabilistic_pca(x: Float[Tensor, "n p"], q: int) -> Fit:
    """The maximum of p(x) = N(b, WWᵀ + σ²I) over W (p, q), b and σ: ½[D ln 2π + Σ_{i≤q} ln λᵢ + (D−q) ln σ² + D] nats a point.

    λ are the covariance's eigenvalues, and σ² the mean of those after the first q. Tipping & Bishop 1999.
    """
    x = x.double()
    d = x.shape[1]
    centred = x - x.mean(0)
    values = torch.linalg.eigvalsh(centred.T @ centred / len(x)).flip(0)
    variance = float(values[q:].mean())
    logs = float(values[:q].log().sum()) + (d - q) * math.log(variance)
    return Fit(0.5 * (d * math.log(2 * math.pi) + logs + d), variance)


def linear_neg_elbo(
    x: Float[Tensor, "n p"],
    mean: Float[Tensor, "n q"],
    log_std: Float[Tensor, "n q"],
    w: Float[Tensor, "p q"],
    b: Float[Tensor, " p"],
    log_sigma: float,
) -> Float[Tensor, " n"]:
    """−ELBO of p(x|z) = N(Wz + b, σ²I), p(z) = N(0, I) and q(z|x) = N(mean, diag std²), nats a point, no draw in it.

    E‖x − Wz − b‖² = ‖x − W mean − b‖² + Σⱼ stdⱼ² ‖wⱼ‖².
    """
    square = (x - mean @ w.T - b).square().sum(1) + (2 * log_std).exp() @ w.square().sum(0)
    distortion = 0.5 * square * math.exp(-2 * log_sigma) + x.shape[1] * (log_sigma + 0.5 * math.log(2 * math.pi))
    return distortion + kl_standard_normal(mean, log_std).sum(1)
