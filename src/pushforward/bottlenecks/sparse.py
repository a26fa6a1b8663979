"""Bottlenecks of which few units are active: the largest of an image, the largest of a batch, a random part."""

import math
from typing import Annotated

import torch
from torch import Tensor

from pushforward.bottlenecks.bottleneck import Bottleneck, affine
from pushforward.bottlenecks.code import Code, Codes, Shape
from pushforward.domains import Count, Decay, Domain, NonNegative, PositiveShare
from pushforward.errors import PushforwardError
from pushforward.numbers import number


class TopK(Bottleneck):
    """The k largest units of a linear code; the others are zero. Makhzani & Frey 2014.

    start: k at the beginning, as far as there are so many units, which falls linearly to k over `epochs`, so that every unit
    has its turn; null: k from the beginning. alpha: a code has α·k units outside training, of which the decoder knows k.
    """

    over: Tensor

    def __init__(
        self,
        in_shape: Shape,
        code_dim: Count,
        k: Count,
        start: Count | None = None,
        epochs: NonNegative = 0.0,
        alpha: Annotated[float, Domain(1)] = 1.0,
    ) -> None:
        super().__init__()
        if not 0 < k <= code_dim:
            raise PushforwardError(f"bottleneck.k={k}: it must lie between 1 and the code's {code_dim} dimensions")
        if start is not None and start < k:
            raise PushforwardError(f"bottleneck.start={start}: k falls from there to {k}; use a larger one, or null")
        if len(in_shape) > 1:
            raise PushforwardError("bottleneck: TopK makes vectors; use model.code=vector")
        self.shapes, self.k, self.start = ((code_dim,),), k, start
        self.kept = min(round(alpha * k), code_dim)
        self.linear = affine(in_shape, code_dim)
        number(self, "over", epochs)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        value = self.linear(features)
        if epochs is None or self.start is None:
            return Code(largest(value, self.kept if epochs is None else self.k))
        share = (epochs / self.over.clamp(min=1e-12)).clamp(max=1.0)
        k = (self.start + (self.k - self.start) * share).round()
        ordered, indices = value.sort(dim=-1, descending=True)
        kept = ordered * (torch.arange(self.dim, device=value.device) < k)
        return Code(torch.zeros_like(value).scatter(-1, indices, kept))

    def settled(self) -> float:
        return float(self.over) if self.start is not None else 0.0

    def valid(self, z: Codes) -> Codes:
        assert isinstance(z, Tensor)
        return z if self.kept == self.k else largest(z, self.k)

    def describe(self) -> str:
        falling = f", at first {self.start}" if self.start is not None else ""
        coded = f", {self.kept} of them in a code" if self.kept != self.k else ""
        return f"sparse code: the {self.k} largest of {self.dim} units{falling}{coded}"


def largest(value: Tensor, k: int) -> Tensor:
    """The k largest of each row's numbers, the others zero."""
    chosen = value.topk(k, dim=-1)
    return torch.zeros_like(value).scatter(-1, chosen.indices, chosen.values)


class LifetimeSparsity(Bottleneck):
    """Rectified units, each zero on a batch but for the `share` of its images that activate it most. Makhzani & Frey 2015.

    In evaluation all are as they are. Ties keep what is equal to the last one kept.
    """

    couples_batch = True

    def __init__(self, in_shape: Shape, code_dim: Count, share: PositiveShare) -> None:
        super().__init__()
        self.shapes, self.share = ((code_dim, *in_shape[1:]),), share
        self.linear = affine(in_shape, code_dim)

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        """Nothing random: that there is any says that it is a step of training."""
        return torch.zeros(n, 1, device=generator.device)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        value = self.linear(features).relu()
        if noise is None:
            return Code(value)
        kept = max(1, math.ceil(self.share * len(value)))
        least = value.topk(kept, dim=0).values[-1]
        return Code(value * (value >= least))

    def describe(self) -> str:
        return f"sparse code: the {self.share:.0%} of a batch's images that activate each of {self.dim} units most"


class Dropout(Bottleneck):
    """z = m·(W h + b)/(1 − rate) with m a Bernoulli of each unit; W h + b in evaluation. Srivastava et al. 2014."""

    def __init__(self, in_shape: Shape, code_dim: Count, rate: Decay) -> None:
        super().__init__()
        self.shapes, self.rate = ((code_dim, *in_shape[1:]),), rate
        self.linear = affine(in_shape, code_dim)

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, *self.shapes[0], generator=generator, device=generator.device)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        value = self.linear(features)
        return Code(value if noise is None else value * (noise >= self.rate) / (1 - self.rate))

    def describe(self) -> str:
        return f"code of {self.size()}, {self.rate:.0%} of them dropped in training"
