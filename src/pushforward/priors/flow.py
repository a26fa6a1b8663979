"""A small normalising flow, fitted to codes after training in seconds."""

import copy
from typing import Annotated, Self, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from zuko.flows import NSF
from zuko.lazy import LazyTransform

from pushforward.bijections import spline_couplings
from pushforward.distributions.gaussian import log_standard_normal
from pushforward.domains import Count, Domain, Positive, Seed
from pushforward.priors.codes import checked, normal, thinned
from pushforward.priors.mixture import FittedGaussian
from pushforward.priors.prior import Prior
from pushforward.seeds import derive_seed, generator

JITTER = 1e-2
"""Spread of the noise on whitened codes in training: codes on a plane, or often exactly zero, have no finite density."""


@final
class FittedFlow(Prior):
    """z = μ + L f⁻¹(u), u ~ N(0, I): splines f over codes whitened by their mean and covariance LLᵀ.

    f: couplings of rational-quadratic splines on [−5, 5], the identity outside. Durkan et al. 2019. It starts as the
    identity, so what is fitted is never worse on held-out codes than their moment-matched Gaussian.
    """

    mean: Tensor
    factor: Tensor

    def __init__(
        self, mean: Float[Tensor, " d"], factor: Float[Tensor, "d d"], flow: LazyTransform, epochs: int
    ) -> None:
        super().__init__()
        self.flow, self.epochs = flow, epochs
        self.register_buffer("mean", mean)
        self.register_buffer("factor", factor)

    @classmethod
    def fit(
        cls,
        z: Float[Tensor, "n d"],
        transforms: Count = 4,
        hidden: Count = 64,
        bins: Annotated[int, Domain(2)] = 8,
        lr: Positive = 2e-3,
        batch_size: Count = 256,
        max_epochs: Count = 60,
        patience: Count = 5,
        seed: Seed = 0,
        max_codes: Count = 10_000,
    ) -> Self:
        """Maximum likelihood by Adam on nine tenths of `max_codes` codes chosen by `seed`.

        Keeps the weights that are best on the other tenth, and stops when `patience` epochs brought none better.
        """
        with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "flow", "weights"))
            flat = thinned(checked(z.clone()), max_codes, seed, "flow")
            gaussian = FittedGaussian.fit(flat)
            mean, factor = gaussian.means[0], gaussian.scales[0]
            white = _white(flat, mean, factor).float()
            flow = _identity(white.shape[1], transforms, hidden, bins).to(white.device)
            draws = generator("cpu", seed, "flow", "batches")
            order = torch.randperm(len(white), generator=draws).to(white.device)
            held = max(1, len(white) // 10)
            epochs = _train(flow, white[order[held:]], white[order[:held]], lr, batch_size, max_epochs, patience, draws)
        return cls(mean.to(z), factor.to(z), flow.requires_grad_(False), epochs)

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log N(f(L⁻¹(z − μ)); 0, I) + log |det|, nats per code."""
        found = _log_prob(self.flow, _white(z, self.mean, self.factor).float())
        return found.to(z) - self.factor.diagonal().log().sum()

    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        u = normal(n, len(self.mean), generator, self.mean).float()
        white = self.flow().inv(u)
        return self.mean + white.to(self.factor) @ self.factor.T

    def describe(self) -> str:
        return f"flow of splines over whitened codes, d = {len(self.mean)}, {self.epochs} epochs"


def _white(z: Float[Tensor, "n d"], mean: Float[Tensor, " d"], factor: Float[Tensor, "d d"]) -> Float[Tensor, "n d"]:
    return torch.linalg.solve_triangular(factor, (z - mean).mT, upper=False).mT


def _log_prob(flow: LazyTransform, u: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    base, ladj = flow().call_and_ladj(u)
    return log_standard_normal(base) + ladj


def _identity(d: int, transforms: int, hidden: int, bins: int) -> LazyTransform:
    """Spline couplings, which begin as the identity; of one unit a single spline, made to begin so."""
    if d > 1:
        return spline_couplings(d, transforms, (hidden, hidden), bins, bound=5.0)
    single = NSF(1, bins=bins, transforms=1).transform
    for parameter in single.parameters():
        nn.init.zeros_(parameter)
    return single


def _train(
    flow: LazyTransform,
    train: Tensor,
    held_out: Tensor,
    lr: float,
    batch_size: int,
    max_epochs: int,
    patience: int,
    draws: torch.Generator,
) -> int:
    """Leaves `flow` with its best weights; returns after how many epochs they were found."""
    optimizer = torch.optim.Adam(flow.parameters(), lr=lr)
    held_out = held_out + JITTER * normal(len(held_out), held_out.shape[1], draws, held_out)
    best, best_epoch, kept = _held(flow, held_out), 0, copy.deepcopy(flow.state_dict())
    for epoch in range(1, max_epochs + 1):
        for rows in torch.randperm(len(train), generator=draws).to(train.device).split(batch_size):
            batch = train[rows] + JITTER * normal(len(rows), train.shape[1], draws, train)
            optimizer.zero_grad(set_to_none=True)
            (-_log_prob(flow, batch).mean()).backward()
            nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
            optimizer.step()
        found = _held(flow, held_out)
        if found > best:  # also false where it is not finite
            best, best_epoch, kept = found, epoch, copy.deepcopy(flow.state_dict())
        elif epoch - best_epoch >= patience:
            break
    flow.load_state_dict(kept)
    return best_epoch


@torch.no_grad()
def _held(flow: LazyTransform, held_out: Tensor) -> float:
    return float(_log_prob(flow, held_out).double().mean())
