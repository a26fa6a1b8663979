"""Bottlenecks whose codes take finitely many values."""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from pushforward.bottlenecks.bottleneck import Bottleneck, affine
from pushforward.bottlenecks.code import Code, Codes, Shape
from pushforward.domains import Count, Decay, Domain, Positive
from pushforward.errors import PushforwardError
from pushforward.numbers import number


class VectorQuantizer(Bottleneck):
    """z = the nearest of K vectors eᵢ to W h + b, at each place of a map. van den Oord, Vinyals & Kavukcuoglu 2017, eq. 1–2.

    The gradient at z passes straight through to W h + b. The vectors are running means of what is assigned to them (app. A.1):
    Nᵢ ← γNᵢ + (1 − γ)nᵢ, mᵢ ← γmᵢ + (1 − γ)Σz, eᵢ = mᵢ/N̂ᵢ, with the counts smoothed as in the code of Razavi et al. 2019:
    N̂ᵢ = (Nᵢ + ε)/(N + Kε)·N, N = ΣNᵢ. Counts and sums are means over images: a batch shown twice moves nothing further.
    They begin at equal shares, so that a vector to which nothing is assigned stays where it is until Nᵢ is near ε.

    entries: K. decay: γ. smoothing: ε, in places an image.
    """

    gives = frozenset({"code", "codebook"})
    vectors: Tensor
    counts: Tensor
    sums: Tensor
    decay: Tensor
    smoothing: Tensor

    def __init__(self, in_shape: Shape, code_dim: Count, entries: Count, decay: Decay, smoothing: Positive) -> None:
        super().__init__()
        self.shapes, self.entries = ((code_dim, *in_shape[1:]),), entries
        self.linear = affine(in_shape, code_dim)
        share = math.prod(in_shape[1:]) / entries
        self.register_buffer("vectors", torch.randn(entries, code_dim) / code_dim**0.5)
        self.register_buffer("counts", torch.full((entries,), share))
        self.register_buffer("sums", self.vectors * share)
        number(self, "decay", decay)
        number(self, "smoothing", smoothing)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        value = self.linear(features).to(self.vectors.dtype)
        index = self.indices(value)
        chosen = self.vectors[index].movedim(-1, 1)
        one_hot = (index.view(len(index), -1, 1) == torch.arange(self.entries, device=index.device)).to(value.dtype)
        stats = self.assigned(value.detach(), one_hot)
        extras = {"value": value, "chosen": chosen, "usage": one_hot.mean(1)}
        return Code(value + (chosen - value).detach(), stats=stats, extras=extras)

    def indices(self, z: Tensor) -> Tensor:
        """The nearest vector's place in the codebook, (n, …), of values (n, d, …)."""
        rows = z.movedim(1, -1)
        with torch.autocast(z.device.type, enabled=False):  # in bf16 near vectors are as good as one another
            distance = self.vectors.square().sum(1) - 2 * rows @ self.vectors.T
        return distance.argmin(-1)

    def values(self, indices: Tensor) -> Tensor:
        return self.vectors[indices].movedim(-1, 1)

    def assigned(self, value: Tensor, one_hot: Tensor) -> dict[str, Tensor]:
        """The number of values assigned to each vector and their sum, means over images: (K,) and (K, d)."""
        rows = value.movedim(1, -1).flatten(0, -2)
        with torch.autocast(value.device.type, enabled=False):
            sums = one_hot.flatten(0, 1).T @ rows / len(value)
        return {"counts": one_hot.sum(1).mean(0), "sums": sums}

    @torch.no_grad()
    def absorb(self, stats: dict[str, Tensor]) -> None:
        for held, found in ((self.counts, stats["counts"]), (self.sums, stats["sums"])):
            held.lerp_(found.to(held), 1 - self.decay)
        total = self.counts.sum()
        smoothed = (self.counts + self.smoothing) / (total + self.entries * self.smoothing) * total
        self.vectors.copy_(self.sums / smoothed.unsqueeze(1))

    def valid(self, z: Codes) -> Codes:
        assert isinstance(z, Tensor)
        return self.values(self.indices(z))

    def describe(self) -> str:
        places = "×".join(map(str, self.shapes[0][1:]))
        return (
            f"one of {self.entries} vectors of {self.shapes[0][0]} dimensions"
            + f" at each of {places} places" * bool(places)
        )


class FiniteScalarQuantizer(Bottleneck):
    """Each channel i of W h + b rounded to one of Lᵢ values in [−1, 1], straight through. Mentzer et al. 2024, sec. 3.1 (FSQ).

    Its channels are as many as `levels`, so code_dim must be their number.
    """

    def __init__(self, in_shape: Shape, code_dim: Count, levels: Sequence[Annotated[int, Domain(2)]]) -> None:
        super().__init__()
        if len(levels) != code_dim:
            raise PushforwardError(
                f"bottleneck.levels has {len(levels)} numbers and model.code_dim is {code_dim}; give one for each channel"
            )
        self.shapes = ((code_dim, *in_shape[1:]),)
        self.linear = affine(in_shape, code_dim)
        self.entries = math.prod(levels)
        self.levels: Tensor
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        bounded = self.bounded(self.linear(features))
        return Code(bounded + (self.rounded(bounded) - bounded).detach())

    def bounded(self, value: Tensor) -> Tensor:
        """tanh, shifted where the number of levels is even, so that as many values lie on both sides. Listing 1."""
        half = self.like((self.levels - 1) * (1 - 1e-3) / 2, value)
        offset = self.like((self.levels % 2 == 0).to(value) / 2, value)
        shift = torch.tan(offset / half)
        return ((value + shift).tanh() * half - offset) / self.like((self.levels / 2).floor(), value)

    def rounded(self, bounded: Tensor) -> Tensor:
        width = self.like((self.levels / 2).floor(), bounded)
        return (bounded * width).round() / width

    @staticmethod
    def like(row: Tensor, value: Tensor) -> Tensor:
        """A number for each channel, as (1, d, 1, …)."""
        return row.view(1, -1, *[1] * (value.ndim - 2))

    def valid(self, z: Codes) -> Codes:
        assert isinstance(z, Tensor)
        low = self.like(-(self.levels / 2).floor(), z)
        high = low + self.like(self.levels - 1, z)
        width = self.like((self.levels / 2).floor(), z)
        return torch.minimum(torch.maximum((z * width).round(), low), high) / width

    def indices(self, z: Tensor) -> Tensor:
        half, nearest = self.like((self.levels / 2).floor(), z), self.valid(z)
        assert isinstance(nearest, Tensor)
        return ((nearest * half + half).round() * self.like(self.strides(), z)).sum(1).long()

    def values(self, indices: Tensor) -> Tensor:
        index = indices.unsqueeze(1).double()
        digits = (index // self.like(self.strides(), index)) % self.like(self.levels, index)
        half = self.like((self.levels / 2).floor(), index)
        return ((digits - half) / half).to(self.levels.dtype)

    def strides(self) -> Tensor:
        """Indices between neighbouring values of each channel, the first channel fastest, (d,)."""
        return torch.cat((self.levels.new_ones(1), self.levels[:-1])).cumprod(0)

    def describe(self) -> str:
        return (
            f"code of {self.size()} on {'×'.join(str(int(level)) for level in self.levels)} = {self.entries:,} values"
        )
