"""Fully connected networks."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.domains import Count
from pushforward.networks.blocks import Layers, TimeFeatures, beside, then
from pushforward.networks.masked import MaskedMLP
from pushforward.networks.network import Encoder

_TIME = 32


@dataclass(frozen=True)
class MLP:
    """Layers of `hidden` units; the decoder has them in reverse. `hidden=()` gives linear maps."""

    hidden: tuple[Count, ...] = (512, 256)
    activation: str = "relu"
    norm: str = "none"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))

    def encoder(self, shape: tuple[int, ...], condition: int = 0) -> Encoder:
        layers, out_features = self._layers(math.prod(shape) + condition, self.hidden)
        return Encoder([*[nn.Flatten()] * (len(shape) > 1), *beside(condition), *layers], out_features)

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1, condition: int = 0) -> nn.Module:
        layers, width = self._layers(in_features + condition, self.hidden[::-1])
        head = nn.Linear(width, parameters * math.prod(shape))
        return Layers(*beside(condition), *layers, head, nn.Unflatten(1, (parameters, *shape)))

    def field(self, shape: tuple[int, ...], condition: int = 0) -> nn.Module:
        dim = math.prod(shape)
        layers, width = self._layers(dim + _TIME + condition, self.hidden)
        return MLPField(Layers(*beside(condition), *layers, nn.Linear(width, dim)))

    def autoregressive(self, shape: tuple[int, ...], parameters: int) -> nn.Module:
        """x (n, *shape) → (n, parameters, *shape), those at a dimension a function of the dimensions before it."""
        return MaskedMLP(shape, parameters, self.hidden, self.activation)

    def _layers(self, width: int, hidden: tuple[int, ...]) -> tuple[list[nn.Module], int]:
        layers: list[nn.Module] = []
        for units in hidden:
            layers += then(partial(nn.Linear, width, units), units, self.norm, self.activation)
            width = units
        return layers, width


class MLPField(nn.Module):
    """(x, t) → layers([x, features of t])."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        # t enters the first layer as it is: low frequencies, so that the field is smooth in t
        self.time = TimeFeatures(_TIME, highest=100.0)
        self.layers = layers

    def forward(
        self, x: Float[Tensor, " n *shape"], t: Float[Tensor, " n"], c: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, " n *shape"]:
        return self.layers(torch.cat((x.flatten(1), self.time(t)), 1), c).reshape(x.shape)
