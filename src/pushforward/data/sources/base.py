"""The content of a data set: images (or points), labels and factors, independent of any model or run."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.errors import PushforwardError
from pushforward.machine import cores

WORKERS = min(8, cores())
"""Threads that decode the images of one batch."""


class Lazy(ABC):
    """Images that are made on demand (files, renderings, a view of a large tensor)."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.uint8

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def gather(self, index: Tensor) -> Tensor:
        """Images at the positions `index` (n,), shape (n, *shape[1:])."""

    def keys(self) -> Tensor | None:
        """A number for each image, (n,), int64, equal for equal images; None where that takes too long to find."""
        return None


class Decoded(Lazy):
    """Images that are decoded one by one. Abstract: `decode`."""

    @abstractmethod
    def decode(self, i: int) -> Tensor:
        """Image i, (c, h, w)."""

    def gather(self, index: Tensor) -> Tensor:
        if not len(index):
            return torch.empty(0, *self.shape[1:], dtype=self.dtype)
        with ThreadPoolExecutor(WORKERS) as pool:  # Pillow decodes without holding the interpreter's lock
            return torch.stack(list(pool.map(self.decode, index.tolist())))


class View(Lazy):
    """The rows `index` of `base`, in that order, without a copy."""

    def __init__(self, base: "Tensor | Lazy", index: Tensor) -> None:
        self.base, self.index = base, index
        self.shape, self.dtype = (len(index), *base.shape[1:]), base.dtype

    def gather(self, index: Tensor) -> Tensor:
        return gather(self.base, self.index[index])


def gather(x: Tensor | Lazy, index: Tensor) -> Tensor:
    """The rows `index` of `x`."""
    return x.gather(index) if isinstance(x, Lazy) else x.index_select(0, index)


def megabytes(x: Tensor | Lazy, n: int) -> float:
    """Memory that `n` rows of `x` take as one tensor, MB (10⁶ bytes)."""
    return n * math.prod(x.shape[1:]) * x.dtype.itemsize / 1e6


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    x: uint8 levels of pixels, or float32 values, (n, c, h, w) or (n, d).
    y: class labels (n,), int64. factors: indices of the generative factors' values (n, k), int64.
    """

    x: Tensor | Lazy
    y: Tensor | None = None
    factors: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Arrays:
    """A data set as it comes from its source.

    levels: how many values a pixel takes, x = level / (levels − 1); None for real-valued data.
    val, test: None where the source has no such split of its own; the DataModule then cuts one.
    factor_values: for each factor the exact values that its indices stand for.
    log_density: exact log p(x) in nats, (n, d) -> (n,), where it is known.
    modes: centres of its modes, (k, d), where it has separate ones; mode_width: their σ.
    channels_of: the data set of grey images that each channel is one of, whose shipped classifier tells its modes.
    notes: how a user's own data were read, a line each, printed when a run starts.
    """

    train: Split
    test: Split | None
    levels: int | None
    n_classes: int | None = None
    class_names: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    factor_names: tuple[str, ...] = ()
    factor_values: tuple[tuple[float, ...], ...] = ()
    log_density: Callable[[Tensor], Tensor] | None = None
    modes: Tensor | None = None
    mode_width: float | None = None
    channels_of: str | None = None
    val: Split | None = None
    notes: tuple[str, ...] = ()

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        return tuple(len(values) for values in self.factor_values)


class Source(ABC):
    """A data set: a frozen dataclass of plain values, the `source:` node of `conf/data/NAME.yaml`."""

    name: str

    @abstractmethod
    def load(self) -> Arrays:
        """Read, make or download it; raises PushforwardError naming the file and the remedy."""


def check_range(limits: Sequence[float]) -> tuple[float, float]:
    """[low, high] of finite numbers in that order. Raises PushforwardError."""
    numbers = [float(v) for v in limits if isinstance(v, int | float) and math.isfinite(v)]
    if len(limits) != 2 or len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise PushforwardError(f"data.source.range={list(limits)}: give two numbers, black and white, such as [0,255].")
    return numbers[0], numbers[1]
