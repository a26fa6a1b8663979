"""Gaussians with full covariance, given by its Cholesky factor L (Σ = L Lᵀ): densities and divergences, in nats."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

_LOG_2PI = math.log(2 * math.pi)


def log_full_normal(
    z: Float[Tensor, "*n d"], mean: Float[Tensor, "*#n d"], scale: Float[Tensor, "*#n d d"]
) -> Float[Tensor, "*n"]:
    """log N(z; μ, L Lᵀ), nats."""
    e = torch.linalg.solve_triangular(scale, (z - mean).unsqueeze(-1), upper=False).squeeze(-1)
    return -0.5 * (e.square().sum(-1) + z.shape[-1] * _LOG_2PI) - half_log_det(scale)


def entropy_full(scale: Float[Tensor, "*n d d"]) -> Float[Tensor, "*n"]:
    """Differential entropy of N(·, L Lᵀ), ½ log det(2πe Σ), nats. Cover & Thomas 2006, th. 8.4.1."""
    return 0.5 * scale.shape[-1] * (1 + _LOG_2PI) + half_log_det(scale)


def kl_full(
    mean_q: Float[Tensor, "*n d"],
    scale_q: Float[Tensor, "*n d d"],
    mean_p: Float[Tensor, "*n d"],
    scale_p: Float[Tensor, "*n d d"],
) -> Float[Tensor, "*n"]:
    """KL(N(μ_q, Σ_q) ‖ N(μ_p, Σ_p)) = ½(tr Σ_p⁻¹Σ_q + ‖L_p⁻¹(μ_q − μ_p)‖² − d) + ½ log det Σ_p/Σ_q, nats."""
    both = torch.cat((scale_q, (mean_q - mean_p).unsqueeze(-1)), -1)
    # L_p⁻¹[L_q, Δμ]: its squares sum to the trace and the Mahalanobis distance at once
    squares = torch.linalg.solve_triangular(scale_p, both, upper=False).square().sum((-2, -1))
    return 0.5 * (squares - mean_q.shape[-1]) + half_log_det(scale_p) - half_log_det(scale_q)


def half_log_det(scale: Float[Tensor, "*n d d"]) -> Float[Tensor, "*n"]:
    """½ log det(L Lᵀ) = Σ log Lᵢᵢ."""
    return scale.diagonal(dim1=-2, dim2=-1).log().sum(-1)
