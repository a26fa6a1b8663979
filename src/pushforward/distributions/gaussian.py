"""Diagonal Gaussians: densities, samples and divergences, in nats."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def sample_normal(
    mean: Float[Tensor, "*#n d"], log_std: Float[Tensor, "*#n d"], noise: Float[Tensor, "*n d"]
) -> Float[Tensor, "*n d"]:
    """z = μ + σ ε, reparameterised: differentiable in μ and σ. Kingma & Welling 2014, sec. 2.4."""
    return mean + log_std.exp() * noise


def log_normal(
    z: Float[Tensor, "*n d"], mean: Float[Tensor, "*#n d"], log_std: Float[Tensor, "*#n d"]
) -> Float[Tensor, "*n"]:
    """log N(z; μ, diag σ²), nats, summed over the last axis."""
    e = (z - mean) * torch.exp(-log_std)
    return -(0.5 * e.square() + log_std + _HALF_LOG_2PI).sum(-1)


def log_standard_normal(z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
    """log N(z; 0, I), nats, summed over the last axis."""
    return -(0.5 * z.square() + _HALF_LOG_2PI).sum(-1)


def kl_standard_normal(mean: Float[Tensor, "*n d"], log_std: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    """KL(N(μ, σ²) ‖ N(0, 1)), nats per dimension; their sum is nats per image. Kingma & Welling 2014, app. B."""
    # expm1: σ² − 1 without cancellation where the posterior is the prior
    return 0.5 * (mean.square() + torch.expm1(2 * log_std)) - log_std


def kl_gaussians(
    mean_q: Float[Tensor, "*n d"],
    log_std_q: Float[Tensor, "*n d"],
    mean_p: Float[Tensor, "*#n d"],
    log_std_p: Float[Tensor, "*#n d"],
) -> Float[Tensor, "*n d"]:
    """KL(N(μ_q, σ_q²) ‖ N(μ_p, σ_p²)), nats per dimension."""
    r = log_std_q - log_std_p
    e = (mean_q - mean_p) * torch.exp(-log_std_p)
    return 0.5 * (e.square() + torch.expm1(2 * r)) - r


def log_ratio_of_normals(
    z: Float[Tensor, "*n d"],
    mean_q: Float[Tensor, "*#n d"],
    log_std_q: Float[Tensor, "*#n d"],
    mean_p: Float[Tensor, "*#n d"],
    log_std_p: Float[Tensor, "*#n d"],
) -> Float[Tensor, "*n d"]:
    """log N(z; μ_q, σ_q²) − log N(z; μ_p, σ_p²), nats per dimension; its mean over q is `kl_gaussians`."""
    e_q, e_p = (z - mean_q) * torch.exp(-log_std_q), (z - mean_p) * torch.exp(-log_std_p)
    return 0.5 * (e_p.square() - e_q.square()) + log_std_p - log_std_q


def product_of_normals(
    mean_a: Float[Tensor, "*#n d"],
    log_std_a: Float[Tensor, "*#n d"],
    mean_b: Float[Tensor, "*#n d"],
    log_std_b: Float[Tensor, "*#n d"],
) -> tuple[Float[Tensor, "*#n d"], Float[Tensor, "*#n d"]]:
    """Mean and log σ of the normal ∝ N(μ_a, σ_a²)·N(μ_b, σ_b²): precisions add, and weigh the means."""
    log_std = -0.5 * torch.logaddexp(-2 * log_std_a, -2 * log_std_b)
    weight = torch.sigmoid(2 * (log_std_b - log_std_a))
    return weight * mean_a + (1 - weight) * mean_b, log_std
