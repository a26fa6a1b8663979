"""Chains through the noise levels of a diffusion: what a step costs, and which levels to take."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


class Chain(NamedTuple):
    """Steps of a chain, from the least noise to the most, (s,) each, float64; t counts from 1 to T.

    ᾱ and ᾱ of the step before (1 before the first) as logarithms. KL(q(x_{i−1}|x_i, x₀) ‖ p(x_{i−1}|x_i)) is
    drop·‖x₀ − x̂₀‖² + spare·D nats; both are 0 at the first step, where the decoder takes over.
    """

    t: Tensor
    log_alpha_bar: Tensor
    log_before: Tensor
    drop: Tensor
    spare: Tensor

    @property
    def posterior_variance(self) -> Tensor:
        """β̃ of q(x_{i−1} | x_i, x₀). Ho et al. 2020, eq. 7."""
        beta = -torch.expm1(self.log_alpha_bar - self.log_before)
        return beta * torch.expm1(self.log_before) / torch.expm1(self.log_alpha_bar)


def chain_of(betas: Float[Tensor, " T"], t: Int[Tensor, " s"], *, wide: bool = False) -> Chain:
    """The chain through the noise levels t of 1 … T, a diffusion of its own. Nichol & Dhariwal 2021, sec. 4.

    Its p has the variance β̃, best where x₀ is nearly known, or, `wide`, β, best where x₀ is spread. Ho et al. 2020, sec. 3.2.
    """
    log_alpha_bar = torch.log1p(-betas.double()).cumsum(0)[t - 1]
    log_before = F.pad(log_alpha_bar[:-1], (1, 0))
    snr = 1 / torch.expm1(-log_alpha_bar)
    # β̃ over p's variance
    ratio = torch.expm1(log_before[1:]) / torch.expm1(log_alpha_bar[1:]) if wide else torch.ones_like(snr[1:])
    drop = 0.5 * ratio * (snr[:-1] - snr[1:])
    spare = 0.5 * (ratio - 1 - ratio.log())
    return Chain(t, log_alpha_bar, log_before, F.pad(drop, (1, 0)), F.pad(spare, (1, 0)))


def evenly(betas: Float[Tensor, " T"], steps: int) -> Int[Tensor, " s"]:
    """`steps` of the T levels in equal strides, the last among them."""
    return torch.linspace(len(betas), 1, steps, dtype=torch.float64, device=betas.device).round().long().flip(0)


def finest(betas: Float[Tensor, " T"], least: float) -> int:
    """The level of 1 … T with the largest noise σ ≤ `least`; 1 where all have more."""
    sigma = torch.sqrt(-torch.expm1(torch.log1p(-betas.double()).cumsum(0)))
    return int((sigma <= least).sum().clamp(min=1))


def by_log_snr(betas: Float[Tensor, " T"], steps: int, least: float = 0.0) -> Int[Tensor, " s"]:
    """At most `steps` of the T levels in nearly equal strides of log SNR, from the largest noise σ ≤ `least` to the last.

    A step from SNR s to SNR t costs ½(s − t)·‖x₀ − x̂₀‖² nats, and ‖x₀ − x̂₀‖² is about D/t where there is little noise:
    equal ratios s/t make the bound tightest.
    """
    noise = torch.log(torch.expm1(-torch.log1p(-betas.double()).cumsum(0)))
    first = finest(betas, least) - 1
    T, start, end = len(betas), float(noise[-1]), float(noise[first])
    if steps >= T - first:
        return torch.arange(first + 1, T + 1, device=betas.device)

    def chosen(strides: int) -> Tensor:
        wanted = torch.linspace(start, end, strides, dtype=torch.float64, device=betas.device)
        return torch.unique(torch.searchsorted(noise, wanted).clamp(first, T - 1)) + 1

    # where levels are far apart several strides meet in one: ask for more, as long as no more than `steps` come of it
    low, high = steps, 64 * T
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(chosen(middle)) <= steps else (low, middle)
    return chosen(low)
