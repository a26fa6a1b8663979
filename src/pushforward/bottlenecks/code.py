"""Codes, and the posteriors that they are drawn from."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.distributions.gaussian import log_normal, sample_normal

Codes = Tensor | tuple[Tensor, ...]
"""Vectors (n, d), maps (n, d, h, w), or a tuple of either, one for each level; k samples an image are a leading axis."""
Shape = tuple[int, ...]


REAL, ONE_HOT, BITS, SPHERE = "vectors of real numbers", "one-hot vectors", "bits", "points on the unit sphere"
"""The codes that a bottleneck draws and a prior is a density of."""


class Posterior(ABC):
    """q(z|x) of n images over flat codes. Abstract.

    mean: the representative code, (n, d).
    """

    mean: Tensor

    @abstractmethod
    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Codes z ~ q(z|x), (…, n, d), of the bottleneck's noise, (…, n, r), and log q(z|x), nats, (…, n)."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z|x) of codes (…, n, d), nats, (…, n)."""


@dataclass(frozen=True)
class GaussianPosterior(Posterior):
    """Diagonal Gaussian: mean and log standard deviation, (n, d)."""

    mean: Tensor
    log_std: Tensor

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        z = sample_normal(self.mean, self.log_std, noise)
        return z, self.log_prob(z)

    def log_prob(self, z: Tensor) -> Tensor:
        return log_normal(z, self.mean, self.log_std)


class Code(NamedTuple):
    """A code z, and what came about with it.

    posterior: what it was drawn from, where there is such a density. stats: means over the batch that the bottleneck's
    `absorb` is given after the step. extras: tensors that lead with n, for terms that ask for them.
    exact: where z is a relaxation through which gradients flow, the draw of the posterior that terms are reported of.
    log_q: log q(z|x), nats, (…, n), where it is computed with the draw. correction: log q/r, (…, n), of draws that were
    accepted from proposals r: how their law depends on the parameters, beside z itself.
    """

    z: Codes
    posterior: Posterior | None = None
    stats: dict[str, Tensor] = {}  # noqa: RUF012 - NamedTuple defaults, never written to
    extras: dict[str, Tensor] = {}  # noqa: RUF012
    exact: Codes | None = None
    log_q: Tensor | None = None
    correction: Tensor | None = None

    def drawn(self) -> "Code":
        """The posterior's draw itself, without a gradient."""
        z = self.z if self.exact is None else self.exact
        z = tuple(part.detach() for part in z) if isinstance(z, tuple) else z.detach()
        return self._replace(z=z, exact=None)


def flat(z: Codes, shapes: tuple[Shape, ...]) -> Tensor:
    """Codes of these shapes laid end to end, (…, d)."""
    parts = z if isinstance(z, tuple) else (z,)
    laid = [part.flatten(part.ndim - len(shape)) for part, shape in zip(parts, shapes, strict=True)]
    return laid[0] if len(laid) == 1 else torch.cat(laid, -1)


def shaped(z: Tensor, shapes: tuple[Shape, ...]) -> Codes:
    """Flat codes (…, d) as codes of these shapes."""
    parts = [
        part if len(shape) == 1 else part.unflatten(-1, shape)
        for part, shape in zip(z.split([math.prod(shape) for shape in shapes], -1), shapes, strict=True)
    ]
    return parts[0] if len(parts) == 1 else tuple(parts)
