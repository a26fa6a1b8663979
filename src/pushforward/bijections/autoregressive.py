"""Autoregressive layers over zuko's: y_i = f(x_i; x_1 … x_{i−1}), one pass one way and as many as dimensions the other."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from zuko.flows import MaskedAutoregressiveTransform
from zuko.lazy import LazyComposedTransform, LazyInverse, LazyTransform
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

from pushforward.bijections.coupling import LOG_SCALE
from pushforward.domains import Count, Domain, Natural, Positive, Real


def layers(
    features: int,
    transforms: int,
    hidden: Sequence[int],
    univariate: Callable[..., Transform],
    shapes: Sequence[tuple[int, ...]], context: int,
) -> list[LazyTransform]:  # fmt: skip
    """Layers that start as the identity, the first in the data's own order and each other in the reverse of the one before."""
    made: list[LazyTransform] = []
    order: Tensor = torch.arange(features)
    for _ in range(transforms):
        layer = MaskedAutoregressiveTransform(
            features, context, order=order, univariate=univariate, shapes=shapes, hidden_features=tuple(hidden)
        )
        for linear in [m for m in layer.modules() if isinstance(m, nn.Linear)][-1:]:
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        made.append(layer)
        order = order.flip(0)
    return made


def affine_autoregressive(
    features: int, transforms: Count, hidden: Sequence[Count], context: Natural = 0
) -> LazyComposedTransform:
    """z_i = exp(s_i)·x_i + t_i, functions of x_1 … x_{i−1}, |s| < `LOG_SCALE`: a fast density, sampled in D passes a layer.

    Papamakarios, Pavlakou & Murray 2017 (MAF).
    """
    affine = partial(MonotonicAffineTransform, slope=math.exp(-LOG_SCALE))
    return LazyComposedTransform(*layers(features, transforms, hidden, affine, [(), ()], context))


def inverse_autoregressive(
    features: int, transforms: Count, hidden: Sequence[Count], context: Natural = 0
) -> LazyComposedTransform:
    """The inverse of affine autoregressive layers: sampled in one pass a layer, its density takes D passes.

    Kingma et al. 2016 (IAF).
    """
    forward = affine_autoregressive(features, transforms, hidden, context)
    return LazyComposedTransform(*[LazyInverse(layer) for layer in forward.transforms])


class GatedTransform(Transform):
    """g·x + (1 − g)·m with the gate g = σ(s). Kingma et al. 2016, eq. 14. Final."""

    domain = constraints.real
    codomain = constraints.real
    bijective = True

    def __init__(self, m: Tensor, s: Tensor) -> None:
        super().__init__()
        self.m, self.s = m, s

    def _call(self, x: Tensor) -> Tensor:
        return self.m + self.s.sigmoid() * (x - self.m)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.m + (y - self.m) / self.s.sigmoid()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return F.logsigmoid(self.s)


def gated_autoregressive(
    features: int, transforms: Count, hidden: Sequence[Count], forget: Real, context: Natural = 0
) -> LazyComposedTransform:
    """z_i = g_i·x_i + (1 − g_i)·m_i, functions of x_1 … x_{i−1}: fast where it is drawn from. Kingma et al. 2016, alg. 1.

    forget: the gates begin at σ(forget) and m at 0.
    """
    made = layers(features, transforms, hidden, GatedTransform, [(), ()], context)
    for layer in made:
        last = [module for module in layer.modules() if isinstance(module, nn.Linear)][-1]
        with torch.no_grad():
            last.bias.view(features, 2)[:, 1] = forget
    return LazyComposedTransform(*made)


def spline_autoregressive(
    features: int,
    transforms: Count,
    hidden: Sequence[Count],
    bins: Annotated[int, Domain(2)],
    bound: Positive,
    context: Natural = 0,
) -> LazyComposedTransform:
    """z_i a monotone rational-quadratic spline of x_i on [−bound, bound], given x_1 … x_{i−1}. Durkan et al. 2019 (NSF-AR)."""
    spline, shapes = partial(MonotonicRQSTransform, bound=bound), [(bins,), (bins,), (bins - 1,)]
    return LazyComposedTransform(*layers(features, transforms, hidden, spline, shapes, context))
