"""Codes, and the posteriors that they are drawn from."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pushforward.distributions.gaussian import log_normal

Codes = Tensor | tuple[Tensor, ...]
"""Vectors (n, d), maps (n, d, h, w), or a tuple of either, one for each level; k samples an image are a leading axis."""
Shape = tuple[int, ...]


class Posterior(NamedTuple):
    """Diagonal Gaussian q(z|x) over flat codes: mean and log standard deviation, (n, d)."""

    mean: Tensor
    log_std: Tensor

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z|x), nats per image, (n,)."""
        return log_normal(z, self.mean, self.log_std)


class Code(NamedTuple):
    """A code z, and what came about with it.

    posterior: what it was drawn from, where there is such a density. stats: means over the batch that the bottleneck's
    `absorb` is given after the step. extras: tensors that lead with n, for terms that ask for them.
    """

    z: Codes
    posterior: Posterior | None = None
    stats: dict[str, Tensor] = {}  # noqa: RUF012 - NamedTuple defaults, never written to
    extras: dict[str, Tensor] = {}  # noqa: RUF012

    def detached(self) -> "Code":
        """The code whose z has no gradient."""
        z = tuple(part.detach() for part in self.z) if isinstance(self.z, tuple) else self.z.detach()
        return self._replace(z=z)


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
