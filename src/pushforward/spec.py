"""The specification of the data that a model is built for, and the batches of a training step."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import register_pytree_node

BLOCK = 16
"""Cycles in a block: data are gathered and noise is drawn once a block. It defines streams of noise, so it never changes."""

BELOW_ONE = 1 - 2.0**-16
"""The largest u for which (255 + u) / 256 is below 1 in float32 too: at 1 a logit is infinite."""


@dataclass(slots=True)  # Lightning converts the fields of a copy (precision=fp64), and refuses a frozen class
class Batch:
    """Images (or points) `x`, (n, *spec.shape), class labels `y`, (n,), where the data have them, and `extras` by name.

    A pytree whose leaves are the tensors that it has: what is done to all of them is written with `map`.
    """

    x: Tensor
    y: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def named(self) -> dict[str, Tensor]:
        """Return the tensors that it has by name; `of` is the inverse."""
        return {"x": self.x} | ({} if self.y is None else {"y": self.y}) | dict(self.extras)

    @staticmethod
    def of(named: Mapping[str, Tensor]) -> "Batch":
        """Return the batch of these tensors."""
        return Batch(named["x"], named.get("y"), {key: t for key, t in named.items() if key not in ("x", "y")})

    def map(self, f: Callable[[Tensor], Tensor]) -> "Batch":
        """Return the batch with f of each tensor."""
        return Batch.of({name: f(t) for name, t in self.named().items()})

    def to(
        self, device: torch.device | str, dtype: torch.dtype | str | None = None, non_blocking: bool = False
    ) -> "Batch":
        """Return the batch on a device, its real-valued tensors in `dtype`."""
        assert not isinstance(dtype, str)  # as Lightning has it in its annotations alone
        return self.map(lambda t: t.to(device, dtype if t.is_floating_point() else None, non_blocking))

    def unbind(self) -> list["Batch"]:
        """Return its parts along the leading axis."""
        columns = {name: t.unbind() for name, t in self.named().items()}
        return [Batch.of(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


register_pytree_node(
    Batch,
    lambda batch: (list(batch.named().values()), tuple(batch.named())),
    lambda tensors, names: Batch.of(dict(zip(names, tensors, strict=True))),
)


class Block(NamedTuple):
    """The batches of up to `BLOCK` cycles, each tensor (m, n, …), or (m, K, n, …) of K replicas; `index` numbers the blocks."""

    index: int  # type: ignore[assignment]  # a tuple has a method of this name, which nobody wants here
    batch: Batch


@dataclass(frozen=True)
class DataSpec:
    """Shape and range of the data, and how many values a dimension can take.

    shape: (c, h, w) for images, (d,) for points.
    levels: how many distinct values a pixel takes (digits 17, MNIST 256, binarised 2); None for real-valued data.
    low, high: the range of x; infinite for points.
    dequantized: x is (k + u) / levels with u uniform on [0, 1) already, not k / (levels − 1).
    class_shares: of the training images, each class's; empty where they have no labels.
    shift, scale: of standardised x = (original − shift) / scale, a number for each dimension of points, or for each channel
        of maps; empty otherwise.
    """

    shape: tuple[int, ...]
    levels: int | None
    n_train: int
    n_classes: int | None = None
    factors: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 1.0
    dequantized: bool = False
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    class_shares: tuple[float, ...] = ()

    @property
    def dim(self) -> int:
        """Dimensions of one image, D."""
        return math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def bounded(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def log_scale(self) -> float:
        """Σ log scale, nats: −log p of the original points is that of x plus this."""
        return math.prod(self.shape[1:]) * sum(math.log(scale) for scale in self.scale)

    def standardized(self, original: Tensor) -> Tensor:
        """x, float32, of points in their own unit; of other data themselves."""
        if not self.scale:
            return original
        shift, scale = self._moments(original)
        return ((original.double() - shift) / scale).to(torch.float32)

    def original(self, x: Tensor) -> Tensor:
        """Points in their own unit, float64, of standardised x; other data as they are."""
        if not self.scale:
            return x
        shift, scale = self._moments(x)
        return x.double() * scale + shift

    def _moments(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale in float64, as they are broadcast to (n, *shape)."""
        each = (torch.tensor(values, dtype=torch.float64, device=like.device) for values in (self.shift, self.scale))
        shift, scale = (values.view(-1, *[1] * (len(self.shape) - 1)) for values in each)
        return shift, scale

    def dequantize(self, x: Tensor, u: Tensor) -> Tensor:
        """(k + u) / levels on [0, 1) for x = k / (levels − 1) and u uniform on [0, 1). Uria, Murray & Larochelle 2013."""
        if self.levels is None or self.dequantized:
            return x
        return (x * (self.levels - 1) + u.clamp(max=BELOW_ONE)) / self.levels

    def bits_per_dim(self, nats: Tensor, *, density: bool) -> Tensor:
        """Bits per dimension of `nats` = −log p(x). For the density of dequantised x this adds log2(levels)."""
        bits = nats / (self.dim * math.log(2))
        return bits + math.log2(self.levels) if density and self.levels else bits
