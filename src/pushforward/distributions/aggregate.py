"""The aggregate posterior q(z) = (1/N) Σₙ q(z|xₙ) of diagonal Gaussians, exactly and from a minibatch; the KL in parts.

Chen et al. 2018 (β-TCVAE). Every function is pure and differentiable and can be vmapped; whoever has several processes
gathers the global batch first.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
ROWS, BLOCK = 64, 1 << 17
"""Codes, and pairs times dimensions, held at once: 1 MB in float64 stays in a core's cache, which halves the time."""


class Aggregate(NamedTuple):
    """log q(z), (m,), and log q(zⱼ) of each dimension, (m, d), nats."""

    joint: Tensor
    marginals: Tensor


class Parts(NamedTuple):
    """log q(z|x) − log p(z) taken apart, nats per image, (n,) each; they sum to it exactly. Chen et al. 2018, eq. 2."""

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_kl: Tensor


def take_apart(log_posterior: Float[Tensor, " n"], aggregate: Aggregate, log_prior: Float[Tensor, " n"]) -> Parts:
    """log q(z|x)/q(z), log q(z)/Πⱼ q(zⱼ) and log Πⱼ q(zⱼ)/p(z) at one z ~ q(z|x) per image, nats, (n,) each.

    Their means are I_q(x; z), the total correlation and, under a prior of independent dimensions, Σⱼ KL(q(zⱼ) ‖ p(zⱼ)).
    """
    product = aggregate.marginals.sum(-1)
    return Parts(log_posterior - aggregate.joint, aggregate.joint - product, product - log_prior)


def log_aggregate(
    z: Float[Tensor, "m d"], mean: Float[Tensor, "n d"], log_std: Float[Tensor, "n d"], block: int = BLOCK
) -> Aggregate:
    """log q(z) and log q(zⱼ) with q over all n posteriors given, exactly, nats. In blocks of `block` pairs × dimensions.

    Give float64 where the numbers are reported.
    """
    n, d = mean.shape
    rows = max(1, min(len(z), ROWS))
    columns = max(1, block // (rows * d))
    found = []
    for some in z.split(rows):
        sums: Aggregate | None = None
        for means, log_stds in zip(mean.split(columns), log_std.split(columns), strict=True):
            part = _sums(log_densities(some, means, log_stds))
            sums = part if sums is None else Aggregate(*map(torch.logaddexp, sums, part))
        assert sums is not None
        found.append(sums)
    return Aggregate(*(torch.cat(parts) - math.log(n) for parts in zip(*found, strict=True)))


def minibatch_weighted(
    z: Float[Tensor, "n d"], mean: Float[Tensor, "n d"], log_std: Float[Tensor, "n d"], n_data: int
) -> Aggregate:
    """log (1/(N n)) Σₖ q(zᵢ|xₖ): minibatch-weighted sampling, nats. Chen et al. 2018, app. C.1, eq. S6.

    The weights of a row sum to 1/N, so where posteriors overlap log q(z) is low by ln N and the total correlation high
    by (d − 1) ln N: its gradient is of use, its value is not an estimate. zᵢ ~ q(z|xᵢ).
    """
    return _sums(log_densities(z, mean, log_std), -math.log(n_data) - math.log(len(mean)))


def minibatch_stratified(
    z: Float[Tensor, "n d"], mean: Float[Tensor, "n d"], log_std: Float[Tensor, "n d"], n_data: int
) -> Aggregate:
    """log Σₖ wᵢₖ q(zᵢ|xₖ): minibatch-stratified sampling, nats; q(zᵢ) without bias. Chen et al. 2018, app. C.2.

    zᵢ ~ q(z|xᵢ), and the n images are drawn from N without replacement; with n = N it is exact.
    """
    return _sums(log_densities(z, mean, log_std), stratified_log_weights(len(mean), n_data).to(mean))


def stratified_log_weights(n: int, n_data: int) -> Float[Tensor, "n n"]:
    """ln wᵢₖ: 1/N on the diagonal, (N−1)/(N(n−1)) beside it; rows sum to 1. Chen et al. 2018, app. C.2.

    z was drawn from its own image, which is 1 of N whatever the batch; the others stand for the N − 1 that are left. The
    paper gives one other image (N−M)/(NM) and the M − 1 = n − 2 others 1/M each: this is the mean over which one it is,
    so it does not depend on the batch's order and varies less. Libraries that write column 0 instead of the diagonal are
    biased.
    """
    beside = math.log(max(n_data - 1, 1) / (n_data * max(n - 1, 1)))
    return torch.full((n, n), beside).fill_diagonal_(-math.log(n_data))


def log_densities(
    z: Float[Tensor, "m d"], mean: Float[Tensor, "n d"], log_std: Float[Tensor, "n d"]
) -> Float[Tensor, "d m n"]:
    """log N(zᵢⱼ; μₖⱼ, σₖⱼ²) of every code under every posterior, dimension by dimension, nats.

    Dimensions lead, so that a sum over posteriors runs over adjacent numbers.
    """
    scale = torch.exp(-log_std).T.contiguous()[:, None] * math.sqrt(0.5)
    constant = -(log_std + _HALF_LOG_2PI).T.contiguous()[:, None]
    e = (z.T.contiguous()[:, :, None] - mean.T.contiguous()[:, None]) * scale
    return torch.addcmul(constant, e, e, value=-1)


def _sums(pairs: Float[Tensor, "d m n"], log_weights: Tensor | float | None = None) -> Aggregate:
    """log Σ over posteriors with given weights, of the joint density and of each dimension's."""
    joint = pairs.sum(0)
    if log_weights is not None:
        joint, pairs = joint + log_weights, pairs + log_weights
    return Aggregate(joint.logsumexp(-1), pairs.logsumexp(-1).T)
