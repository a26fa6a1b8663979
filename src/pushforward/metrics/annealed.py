"""log p(x) of a decoder and a prior by annealed importance sampling: ∫ p(z) p(x|z) dz, walked from prior to posterior.

Neal 2001; for decoders of images Wu, Burda, Salakhutdinov & Grosse 2017. Codes are (chains, n, d): each image has its own
chains, and densities are per code, (chains, n), in nats.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.distributions.bounds import importance_weighted_bound

Density = Callable[[Tensor], Tensor]
"""(chains, n, d) -> (chains, n) nats, for any number of chains: differentiable."""
SETTLING = 20
"""Transitions under the prior by which a first step size settles."""
RATE = 0.1
"""The change of log ε for a transition's acceptance less the one aimed at."""


class Annealed(NamedTuple):
    """bound: of log p(x), nats per image, (n,): below it in expectation, or above where the walk was reversed.

    effective: effective number of independent chains, (Σw)²/Σw², (n,). acceptance: mean of the transitions', (n,).
    """

    bound: Float[Tensor, " n"]
    effective: Float[Tensor, " n"]
    acceptance: Float[Tensor, " n"]


class Steps(NamedTuple):
    """sizes: ε of each of T − 1 transitions for each image, (T − 1, n). scale: of each unit under the prior, (d,)."""

    sizes: Float[Tensor, "t n"]
    scale: Float[Tensor, " d"]


def schedule(temperatures: int, delta: float = 4.0) -> Float[Tensor, " t"]:
    """β_0 = 0 … β_T = 1, the middle of a sigmoid from −δ to δ: fine where the density changes fast. Wu et al. 2017."""
    beta = torch.linspace(-delta, delta, temperatures + 1, dtype=torch.float64).sigmoid()
    return (beta - beta[0]) / (beta[-1] - beta[0])


def tuned(
    log_prior: Density,
    log_likelihood: Density,
    start: Float[Tensor, "c n d"],
    generator: torch.Generator,
    *,
    temperatures: int,
    leapfrogs: int,
    acceptance: float = 0.65,
) -> Steps:
    """Step sizes at which HMC accepts the share `acceptance`, found on a walk of its own from prior draws `start`.

    Kept out of the walk that counts: there, steps that follow its own past would leave no invariant density, and the
    weights would bound nothing.
    """
    scale = start.flatten(0, 1).std(0)
    scale = torch.where(scale > 0, scale, 1.0)  # of a single code it is not a number
    log_step = start.new_full((start.shape[1],), 0.5 * start.shape[2] ** -0.25).log()
    betas, sizes = schedule(temperatures).tolist(), []
    point = _at(start, log_prior, log_likelihood)
    for beta in [0.0] * SETTLING + betas[1:-1]:
        sizes.append(log_step.exp())
        point, accepted = _hmc(point, beta, sizes[-1], scale, leapfrogs, log_prior, log_likelihood, generator)
        log_step = log_step + RATE * (accepted.mean(0).to(log_step) - acceptance)
    kept = sizes[SETTLING:]
    return Steps(torch.stack(kept) if kept else start.new_zeros(0, start.shape[1]), scale)


def annealed(
    log_prior: Density,
    log_likelihood: Density,
    start: Float[Tensor, "c n d"],
    steps: Steps,
    generator: torch.Generator,
    *,
    leapfrogs: int,
    reverse: bool = False,
) -> Annealed:
    """A bound of log p(x) = log E_prior p(x|z), nats, from chains that `start` at the prior: below it in expectation.

    log (1/c) Σ w with log w = Σ_t (β_t − β_{t−1}) log p(x|z_{t−1}), z_t by a transition of HMC for p(z) p(x|z)^{β_t}.
    reverse: chains start at exact posterior samples (of simulated x) and walk back: above log p(x) in expectation;
    together they are bidirectional Monte Carlo (Grosse, Ghahramani & Adams 2015).
    """
    betas = schedule(len(steps.sizes) + 1)
    sizes = steps.sizes
    if reverse:
        betas, sizes = betas.flip(0), sizes.flip(0)
    point = _at(start, log_prior, log_likelihood)
    log_w = torch.zeros_like(point.likelihood, dtype=torch.float64)
    shares = []
    for t in range(1, len(betas)):
        log_w += (betas[t] - betas[t - 1]).to(log_w.device) * point.likelihood.double()
        if t < len(betas) - 1:
            beta, size = float(betas[t]), sizes[t - 1]
            point, accepted = _hmc(point, beta, size, steps.scale, leapfrogs, log_prior, log_likelihood, generator)
            shares.append(accepted.mean(0))
    bound = importance_weighted_bound(log_w.T)
    w = torch.softmax(log_w, 0)
    share = torch.stack(shares).mean(0) if shares else torch.ones_like(bound)
    return Annealed(-bound if reverse else bound, 1 / w.square().sum(0), share)


class _Point(NamedTuple):
    """A code with both log-densities, (c, n), and their gradients, (c, n, d)."""

    z: Tensor
    prior: Tensor
    likelihood: Tensor
    prior_slope: Tensor
    likelihood_slope: Tensor


def _at(z: Tensor, log_prior: Density, log_likelihood: Density) -> _Point:
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        prior, likelihood = log_prior(z), log_likelihood(z)
        (prior_slope,) = torch.autograd.grad(prior.sum(), z)
        (likelihood_slope,) = torch.autograd.grad(likelihood.sum(), z)
    return _Point(z.detach(), prior.detach(), likelihood.detach(), prior_slope, likelihood_slope)


def _hmc(
    point: _Point,
    beta: float,
    size: Tensor,
    scale: Tensor,
    leapfrogs: int,
    log_prior: Density,
    log_likelihood: Density,
    generator: torch.Generator,
) -> tuple[_Point, Tensor]:
    """A transition that leaves p(z) p(x|z)^β invariant, and its acceptance probabilities, (c, n). Neal 2011."""
    step = size[None, :, None] * scale

    def kick(at: _Point) -> Tensor:
        return step * (at.prior_slope + beta * at.likelihood_slope)

    def energy(at: _Point, momentum: Tensor) -> Tensor:
        kinetic = 0.5 * momentum.double().square().sum(-1)
        return kinetic - at.prior.double() - beta * at.likelihood.double()

    drawn = torch.randn(point.z.shape, generator=generator, device=generator.device, dtype=point.z.dtype)
    threshold = torch.rand(point.prior.shape, generator=generator, device=generator.device, dtype=torch.float64)
    start = drawn.to(point.z.device)
    momentum, proposal = start + 0.5 * kick(point), point
    for i in range(leapfrogs):
        proposal = _at(proposal.z + step * momentum, log_prior, log_likelihood)
        momentum = momentum + (1.0 if i < leapfrogs - 1 else 0.5) * kick(proposal)
    gain = energy(point, start) - energy(proposal, momentum)
    accepted = gain.nan_to_num(nan=-torch.inf, posinf=0.0).clamp(max=0).exp()  # a walk off to infinity is refused
    moved = threshold.to(accepted.device) < accepted
    chosen = [
        torch.where(moved if new.ndim == 2 else moved[..., None], new, old)
        for new, old in zip(proposal, point, strict=True)
    ]
    return _Point(*chosen), accepted
