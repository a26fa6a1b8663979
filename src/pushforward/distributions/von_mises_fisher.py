"""Von Mises–Fisher distributions on the unit sphere in d dimensions, relative to the uniform one; float64 within.

All is a function of M(κ) = E exp(κ t) with t = μᵀz and z uniform on the sphere: the density relative to the uniform one is
exp(κ t)/M(κ).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

LARGE = 20
"""Orders above d/2 − 1 from which the recurrence comes down: the expansion's error there is below 0.3/20⁵ nats."""


def log_area(d: int) -> float:
    """ln 2π^{d/2}/Γ(d/2): of the unit sphere in d dimensions."""
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


def log_mean_exp(kappa: Float[Tensor, " n"], d: int) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """log M(κ) = log Γ(ν+1)(2/κ)^ν I_ν(κ), ν = d/2 − 1, in nats, and A(κ) = I_{ν+1}(κ)/I_ν(κ) = E_q t, float64.

    I_{ν−1} = I_{ν+1} + (2ν/κ) I_ν makes M_{ν−1} = M_ν (1 + ρ_ν κ²/4ν(ν+1)) with ρ_ν = M_{ν+1}/M_ν, a stable recurrence whose
    summands are positive.
    """
    kappa, low = kappa.double(), d / 2 - 1
    log_m = _expansion(kappa, low + LARGE)
    ratio = torch.exp(_expansion(kappa, low + LARGE + 1) - log_m)
    for i in range(LARGE, 0, -1):
        nu = low + i
        step = ratio * kappa.square() / (4 * nu * (nu + 1))
        log_m, ratio = log_m + torch.log1p(step), 1 / (1 + step)
    return log_m, kappa / d * ratio


def _expansion(kappa: Tensor, nu: float) -> Tensor:
    """log M for a large order ν by Debye's uniform expansion. Abramowitz & Stegun 1964, 9.7.7 and 9.3.9."""
    root = torch.sqrt(1 + (kappa / nu).square())
    p = 1 / root
    q = p.square()
    u1 = p * (3 - 5 * q) / 24
    u2 = q * (81 + q * (-462 + q * 385)) / 1152
    u3 = p * q * (30375 + q * (-369603 + q * (765765 - q * 425425))) / 414720
    u4 = q * q * (4465125 + q * (-94121676 + q * (349922430 + q * (-446185740 + q * 185910725)))) / 39813120
    series = u1 / nu + u2 / nu**2 + u3 / nu**3 + u4 / nu**4
    constant = math.lgamma(nu + 1) - 0.5 * math.log(2 * math.pi * nu) + nu * math.log(2 / nu)
    return constant + nu * (root - torch.log1p(root)) - 0.5 * torch.log(root) + torch.log1p(series)


def kl_uniform_sphere(kappa: Float[Tensor, " n"], d: int) -> Float[Tensor, " n"]:
    """KL(vMF(μ, κ) ‖ uniform) = κ A(κ) − log M(κ), nats; for d = 3 κ coth κ − 1 − ln(sinh κ/κ). Davidson et al. 2018."""
    log_m, resultant = log_mean_exp(kappa, d)
    return kappa.double() * resultant - log_m


def accepted(
    kappa: Float[Tensor, " n"], d: int, proposals: Float[Tensor, "*n t"], uniform: Float[Tensor, "*n t"]
) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"], Float[Tensor, "*n"]]:
    """1 − t and 1 + t of the first accepted proposal, and log q/r up to a constant, nats: functions of κ at fixed proposals.

    proposals: ε ~ Beta((d − 1)/2, (d − 1)/2). Ulrich 1984; Wood 1994, algorithm VM*; differentiable as Davidson et al. 2018,
    app. D, have it: E_q f has the gradient E[∇f + f ∇log q/r] (Naesseth et al. 2017). At least 0.65 of the proposals are
    accepted whatever κ and d; where none is, the last is taken.
    """
    k, m = kappa.double(), d - 1
    root = torch.sqrt(4 * k.square() + m**2)
    b = m / (2 * k + root)
    a = (m + 2 * k + root) / 4
    with torch.no_grad():
        t = 2 * (a * b)[..., None] / (1 - (1 - b)[..., None] * proposals)
        limit = m * torch.log(t) - t + (4 * a * b / (1 + b) - m * math.log(m))[..., None]
        kept = (limit >= torch.log(uniform)) | (torch.arange(t.shape[-1], device=t.device) == t.shape[-1] - 1)
        first = kept & (kept.cumsum(-1) == 1)
        epsilon = (proposals * first).sum(-1).double()
    scale = 1 - (1 - b) * epsilon
    below, above = 2 * b * epsilon / scale, 2 * (1 - epsilon) / scale
    log_ratio = k * (1 - below) - log_mean_exp(k, d)[0] + m * (0.5 * torch.log(b) - torch.log(scale))
    return below, above, log_ratio
