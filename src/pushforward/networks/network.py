"""What every network offers: three roles, of which it may lack some."""

from collections.abc import Iterable
from typing import Protocol

from torch import nn

from pushforward.errors import PushforwardError

WITH_ROLE = {
    "encoder": ("mlp", "conv", "resnet"),
    "decoder": ("mlp", "conv", "resnet"),
    "field": ("mlp", "unet"),
}
"""Which networks have which role."""


class Network(Protocol):
    """Plain numbers, from which modules of the data's shape are made."""

    def encoder(self, shape: tuple[int, ...]) -> "Encoder":
        """(n, *shape) → (n, out_features)."""
        ...

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1) -> nn.Module:
        """(n, in_features) → (n, parameters, *shape), unbounded."""
        ...

    def field(self, shape: tuple[int, ...]) -> nn.Module:
        """x (n, *shape), t (n,) in [0, 1] → (n, *shape)."""
        ...


class Encoder(nn.Sequential):
    """Layers from (n, *shape) to (n, out_features)."""

    def __init__(self, layers: Iterable[nn.Module], out_features: int) -> None:
        super().__init__(*layers)
        self.out_features = out_features


def missing(network: str, role: str) -> PushforwardError:
    """The error of a network that lacks a role."""
    others = " or ".join(f"network={name}" for name in WITH_ROLE[role])
    return PushforwardError(f"network={network} makes no {role}, which this model needs. Use {others}.")


def image_shape(network: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(c, h, w) of images that convolutions can read, or the error that says why not."""
    if len(shape) != 3 or min(shape[1:]) < 4:
        raise PushforwardError(
            f"network={network} reads images (c, h, w) with h, w ≥ 4; these are {tuple(shape)}. Use network=mlp."
        )
    return shape[0], shape[1], shape[2]
