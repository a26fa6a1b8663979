"""Coupling layers over zuko's univariate maps.

zuko's own hold a boolean mask, from which no index can be made under vmap; these hold indices, so that replicas with
different splits can be trained as one.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from zuko.flows import ElementWiseTransform
from zuko.lazy import LazyComposedTransform, LazyTransform
from zuko.nn import MLP
from zuko.transforms import AdditiveTransform, DependentTransform, MonotonicAffineTransform, MonotonicRQSTransform
from zuko.utils import unpack

from pushforward.domains import Count, Domain, Natural, Positive
from pushforward.errors import PushforwardError

LOG_SCALE = 3.0
"""Bound of an affine coupling's log-scale, approached as s / (1 + |s|/3). At zuko's, log 1000, points at five times the data's
size reached 10¹² in z and did not come back in float32. Half of the couplings scale a dimension: 8 of them by up to e^±12."""


class CouplingTransform(Transform):
    """y_a = x_a, y_b = f(x_b; x_a) with `order` = (a, b) and `given` = x_a ↦ f. Dinh et al. 2015. Final."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, given: Callable[[Tensor], Transform], order: Int[Tensor, " d"], kept: int) -> None:
        super().__init__()
        self.given, self.order, self.back, self.kept = given, order, order.argsort(), kept

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x[..., self.order]
        return x[..., : self.kept], x[..., self.kept :]

    def _call(self, x: Tensor) -> Tensor:
        a, b = self.split(x)
        return torch.cat((a, self.given(a)(b)), -1)[..., self.back]

    def _inverse(self, y: Tensor) -> Tensor:
        a, b = self.split(y)
        return torch.cat((a, self.given(a).inv(b)), -1)[..., self.back]

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y and log |det ∂y/∂x|, nats, with one call of the conditioner."""
        a, b = self.split(x)
        y, ladj = self.given(a).call_and_ladj(b)  # type: ignore[attr-defined]
        return torch.cat((a, y), -1)[..., self.back], ladj

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.call_and_ladj(x)[1]


class Coupling(LazyTransform):
    """A coupling layer whose univariate map takes its parameters, of `shapes`, from an MLP of the kept half. Final.

    order: the dimensions, of which the first half is kept. It starts as the map at parameters zero, the identity.
    """

    order: Tensor

    def __init__(
        self,
        order: Int[Tensor, " d"],
        univariate: Callable[..., Transform],
        shapes: Sequence[tuple[int, ...]],
        hidden: Sequence[int],
        context: int = 0,
    ) -> None:
        super().__init__()
        self.register_buffer("order", order)
        self.univariate, self.shapes, self.kept = univariate, [torch.Size(s) for s in shapes], len(order) // 2
        self.each = sum(math.prod(s) for s in shapes)
        self.hyper = MLP(self.kept + context, (len(order) - self.kept) * self.each, hidden_features=hidden)
        last = self.hyper[-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def given(self, a: Float[Tensor, "n k"], c: Float[Tensor, "n context"] | None = None) -> Transform:
        """The map of the other half, given the kept one and the context."""
        phi = self.hyper(a if c is None else torch.cat((a, c), -1)).unflatten(-1, (-1, self.each))
        return DependentTransform(self.univariate(*unpack(phi, self.shapes)), 1)

    def forward(self, c: Tensor | None = None) -> Transform:
        return CouplingTransform(partial(self.given, c=c), self.order, self.kept)


def _couplings(features: int, transforms: int, layer: Callable[[Tensor], Coupling]) -> LazyComposedTransform:
    """Couplings in pairs: a random split, then its complement."""
    if features < 2:
        raise PushforwardError(f"a coupling flow needs data of at least 2 dimensions, and these have {features}")
    layers: list[Coupling] = []
    order = torch.empty(0, dtype=torch.long)
    for i in range(transforms):
        order = torch.randperm(features) if i % 2 == 0 else order.flip(0)
        layers.append(layer(order))
    return LazyComposedTransform(*layers)


def additive_couplings(
    features: int, transforms: Count, hidden: Sequence[Count], context: Natural = 0
) -> LazyComposedTransform:
    """y_b = x_b + t(x_a), `transforms` times, then a scale for each dimension. Dinh, Krueger & Bengio 2015 (NICE)."""
    layer = partial(Coupling, univariate=AdditiveTransform, shapes=[()], hidden=hidden, context=context)
    couplings = _couplings(features, transforms, layer)
    scale = ElementWiseTransform(features, univariate=ScaleTransform, shapes=[()])
    for parameter in scale.parameters():
        nn.init.zeros_(parameter)
    return LazyComposedTransform(*couplings.transforms, scale)


class ScaleTransform(Transform):
    """exp(s)·x, with the log-scale s for each dimension. Final."""

    domain = constraints.real
    codomain = constraints.real
    bijective = True

    def __init__(self, log_scale: Tensor) -> None:
        super().__init__()
        self.log_scale = log_scale

    def _call(self, x: Tensor) -> Tensor:
        return x * self.log_scale.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y * torch.exp(-self.log_scale)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.log_scale.expand_as(x)


def affine_couplings(
    features: int, transforms: Count, hidden: Sequence[Count], context: Natural = 0
) -> LazyComposedTransform:
    """y_b = exp(s(x_a))·x_b + t(x_a) with |s| < `LOG_SCALE`, `transforms` times. Dinh et al. 2017, eq. 4–5.

    Float32 brings data and samples back to rounding. Points far from the data lose digits as they are stretched: at five times
    the data's size some 10⁻³ of them on digits, at a hundred times all.
    """
    univariate = partial(MonotonicAffineTransform, slope=math.exp(-LOG_SCALE))
    layer = partial(Coupling, univariate=univariate, shapes=[(), ()], hidden=hidden, context=context)
    return _couplings(features, transforms, layer)


def spline_couplings(
    features: int,
    transforms: Count,
    hidden: Sequence[Count],
    bins: Annotated[int, Domain(2)],
    bound: Positive,
    context: Natural = 0,
) -> LazyComposedTransform:
    """y_b a monotone rational-quadratic spline of x_b on [−bound, bound], `transforms` times. Durkan et al. 2019."""
    univariate = partial(MonotonicRQSTransform, bound=bound)
    layer = partial(
        Coupling, univariate=univariate, shapes=[(bins,), (bins,), (bins - 1,)], hidden=hidden, context=context
    )
    return _couplings(features, transforms, layer)
