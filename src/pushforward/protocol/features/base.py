"""The base class of features, for those of the package and a user's own."""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

CHUNK = 500


class NoFeatures(Exception):
    """These features are not available for these data; the message says why."""


class Features(Protocol):
    """Images (n, c, h, w) in [0, 1] → features (n, d), float32. The same for every run of a data set.

    Beside these they may have logits (`HasLogits`) and know the data's own classes (`Classifies`).

    name: stands in the names of numbers, `fd_<name>`. card: what a number computed on them depends on, flat and plain, with
    `features` (the name) and `features_hash`, equal where two numbers compare: without it no reference is kept on disk.
    """

    name: str

    @property
    def card(self) -> dict[str, Any]: ...

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]: ...

    def to(self, device: torch.device | str) -> Self: ...


@runtime_checkable
class HasLogits(Protocol):
    """Features with a classifier behind them."""

    def logits(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]: ...


@runtime_checkable
class Classifies(Features, HasLogits, Protocol):
    """Features of a classifier of the data's own classes."""

    def classes(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " k"]:
        """The share of images taken for each class."""


@torch.inference_mode()
def batched(f: Callable[[Tensor], Tensor], x: Tensor, device: torch.device, size: int = CHUNK) -> Tensor:
    """f over x in chunks on a device, in full float32 whatever precision the run has."""
    with torch.autocast(device.type, enabled=False), torch.backends.cudnn.flags(allow_tf32=False):
        return torch.cat([f(part.to(device, torch.float32)) for part in x.split(size)])


def digest(*parts: bytes | np.ndarray) -> str:
    """SHA-256 over bytes and arrays, in hex."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes())
    return found.hexdigest()
