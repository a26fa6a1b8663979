"""Entropy, cross entropy, KL and Jensen-Shannon divergence: of discrete distributions, of Gaussians, and from samples.

A discrete distribution is a tensor of probabilities over its last axis; a Gaussian is a `Gaussian`. Both p and q are of
one kind, and leading axes are a batch. Everything is computed in float64, in nats or bits.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, overload

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from pushforward.distributions.gaussian import kl_gaussians, log_normal
from pushforward.errors import PushforwardError
from pushforward.metrics.full_gaussian import entropy_full, kl_full, log_full_normal
from pushforward.metrics.likelihood import Estimate, estimate

Unit = Literal["nats", "bits"]

ROUNDED = 1e-5
"""By how much float32 probabilities may miss a sum of 1."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """N(mean, covariance), or N(mean, diag exp(2 log_std)): mean (*n, d), covariance (*n, d, d), log_std (*n, d).

    Raises PushforwardError where not exactly one of the two is given, or a covariance is none.
    """

    mean: Tensor
    covariance: Tensor | None = None
    log_std: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("mean", "covariance", "log_std"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else value.double())
        if (self.covariance is None) == (self.log_std is None):
            raise PushforwardError("Gaussian: give one of covariance and log_std, not both and not neither.")
        given = self.log_std if self.covariance is None else self.covariance
        d = self.mean.shape[-1]
        expected = (*self.mean.shape, d) if self.covariance is not None else tuple(self.mean.shape)
        if tuple(given.shape) != expected:  # type: ignore[union-attr]
            what = "log_std" if self.covariance is None else "covariance"
            raise PushforwardError(f"Gaussian: {what} is {tuple(given.shape)}, expected {expected} for that mean.")  # type: ignore[union-attr]
        if self.covariance is not None:
            off = (self.covariance - self.covariance.mT).abs().amax()
            if off > 1e-6 * self.covariance.abs().amax() or bool(torch.linalg.cholesky_ex(self.covariance).info.any()):
                raise PushforwardError(
                    "Gaussian: covariance must be symmetric with positive eigenvalues; add a jitter."
                )

    @cached_property
    def scale(self) -> Float[Tensor, "*n d d"]:
        """Cholesky factor of the covariance."""
        if self.covariance is None:
            assert self.log_std is not None
            return torch.diag_embed(self.log_std.exp())
        return torch.linalg.cholesky(self.covariance)

    def log_prob(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """log N(x), nats."""
        if self.log_std is not None:
            return log_normal(x.double(), self.mean, self.log_std)
        return log_full_normal(x.double(), self.mean, self.scale)

    def sample(self, n: int, generator: Generator) -> Float[Tensor, "n *n d"]:
        noise = torch.randn(n, *self.mean.shape, dtype=torch.float64, generator=generator, device=generator.device)
        return self.mean + (self.scale @ noise.unsqueeze(-1)).squeeze(-1)

    def marginal(self, *axes: int) -> "Gaussian":
        """The distribution of some of its dimensions."""
        keep = list(axes)
        if self.covariance is None:
            assert self.log_std is not None
            return replace(self, mean=self.mean[..., keep], log_std=self.log_std[..., keep])
        return replace(self, mean=self.mean[..., keep], covariance=self.covariance[..., keep, :][..., keep])


Distribution = Tensor | Gaussian


def entropy(p: Distribution, *, unit: Unit = "nats") -> Float[Tensor, "*n"]:
    """H(p) = −Σ p log p; of a Gaussian the differential entropy ½ log det(2πe Σ). Shannon 1948."""
    if isinstance(p, Gaussian):
        if p.log_std is not None:
            return _in(unit, (p.log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1))
        return _in(unit, entropy_full(p.scale))
    p = probabilities(p)
    return _in(unit, -torch.xlogy(p, p).sum(-1))


def cross_entropy(p: Distribution, q: Distribution, *, unit: Unit = "nats") -> Float[Tensor, "*n"]:
    """H(p, q) = −Σ p log q = H(p) + KL(p ‖ q): what coding p by the code for q costs. Infinite where q misses p."""
    if isinstance(p, Gaussian):
        return entropy(p, unit=unit) + kl_divergence(p, q, unit=unit)
    p, q = _pair(p, q)
    return _in(unit, -torch.xlogy(p, q).sum(-1))


def kl_divergence(p: Distribution, q: Distribution, *, unit: Unit = "nats") -> Float[Tensor, "*n"]:
    """KL(p ‖ q) = Σ p log p/q ≥ 0, the excess of a wrong code; infinite where q misses p. Kullback & Leibler 1951."""
    if isinstance(p, Gaussian):
        if not isinstance(q, Gaussian):
            raise _mixed(p, q)
        if p.log_std is not None and q.log_std is not None:
            return _in(unit, kl_gaussians(p.mean, p.log_std, q.mean, q.log_std).sum(-1))
        return _in(unit, kl_full(p.mean, p.scale, q.mean, q.scale).clamp(min=0))
    p, q = _pair(p, q)
    return _in(unit, (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1).clamp(min=0))  # rounding alone goes below


@overload
def js_divergence(p: Tensor, q: Tensor, *, unit: Unit = "nats") -> Float[Tensor, "*n"]: ...
@overload
def js_divergence(p: Gaussian, q: Gaussian, *, n: int, generator: Generator, unit: Unit = "nats") -> Estimate: ...
def js_divergence(
    p: Distribution,
    q: Distribution,
    *,
    n: int | None = None,
    generator: Generator | None = None,
    unit: Unit = "nats",
) -> Tensor | Estimate:
    """JS(p, q) = ½KL(p ‖ m) + ½KL(q ‖ m) with m = ½(p + q); between 0 and log 2. Lin 1991.

    Of two Gaussians there is no closed form: it is then the mean over n samples of each, with its standard error.
    """
    if isinstance(p, Gaussian):
        if not isinstance(q, Gaussian):
            raise _mixed(p, q)
        if n is None or generator is None or n < 2 or p.mean.ndim != 1 or q.mean.ndim != 1:
            raise PushforwardError(
                "js_divergence: of Gaussians it is estimated, for one pair with mean (d,): give n ≥ 2 and generator."
            )
        x, y = p.sample(n, generator), q.sample(n, generator)
        # log p/m = log 2 − softplus(log q − log p), finite where p and q are far apart
        of_p = math.log(2) - F.softplus(q.log_prob(x) - p.log_prob(x))
        of_q = math.log(2) - F.softplus(p.log_prob(y) - q.log_prob(y))
        return estimate(_in(unit, 0.5 * (of_p + of_q)))
    p, q = _pair(p, q)
    m = 0.5 * (p + q)
    return 0.5 * (kl_divergence(p, m, unit=unit) + kl_divergence(q, m, unit=unit))


def code_length(log_q: Float[Tensor, " n"], *, unit: Unit = "nats") -> Estimate:
    """The code length of samples of p under a model q: the mean of −log q(x), an estimate of H(p, q), per sample.

    log_q: nats per sample.
    """
    return estimate(_in(unit, -log_q.double()))


def probabilities(p: Tensor) -> Float[Tensor, "*n k"]:
    """p in float64 with its rounding mended. Raises PushforwardError where it is no distribution over its last axis."""
    p = p.double()
    if p.ndim == 0 or not bool((p >= 0).all()):  # NaN is not ≥ 0
        raise PushforwardError("a distribution has a negative (or no) probability; give p ≥ 0 over the last axis.")
    total = p.sum(-1, keepdim=True)
    worst = total.flatten()[(total - 1).abs().argmax()]
    if not bool((worst - 1).abs() <= ROUNDED):
        raise PushforwardError(f"a distribution sums to {float(worst):.6g} over the last axis, not to 1; divide by it.")
    return p / total


def _pair(p: Distribution, q: Distribution) -> tuple[Tensor, Tensor]:
    if isinstance(p, Gaussian) or isinstance(q, Gaussian):
        raise _mixed(p, q)
    if p.shape[-1:] != q.shape[-1:]:
        raise PushforwardError(f"p is over {p.shape[-1]} outcomes and q over {q.shape[-1]}; both need the same.")
    return probabilities(p), probabilities(q)


def _mixed(p: Distribution, q: Distribution) -> PushforwardError:
    kinds = ("Gaussian" if isinstance(d, Gaussian) else "discrete" for d in (p, q))
    return PushforwardError(f"p is {' and q is '.join(kinds)}; both must be of one kind.")


def _in(unit: Unit, nats: Tensor) -> Tensor:
    if unit not in ("nats", "bits"):
        raise PushforwardError(f"unit={unit!r} is not known: use nats or bits.")
    return nats if unit == "nats" else nats / math.log(2)
