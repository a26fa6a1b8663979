"""Strided convolutions, sized by the image."""

from dataclasses import dataclass
from functools import partial

from torch import nn

from pushforward.domains import Count, Natural
from pushforward.errors import PushforwardError
from pushforward.networks.blocks import Layers, beside, then
from pushforward.networks.network import Encoder, image_shape, missing


@dataclass(frozen=True)
class Conv:
    """A 4×4 convolution of stride 2 for each halving, then a 3×3 one, then dense layers; the decoder mirrors it.

    Channels start at `width` and double at each halving. `depth` is the number of halvings: by default down to 4 to 7
    pixels (64 → 4, 28 → 7, 8 → 4). `hidden` are the dense layers after the encoder and, reversed, before the decoder.
    As in DCGAN, neither the first layer of the encoder nor the last of the decoder is normalised. Radford et al. 2016.
    """

    width: Count = 32
    depth: Natural | None = None
    activation: str = "relu"
    norm: str = "batch"
    hidden: tuple[Count, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))

    def encoder(self, shape: tuple[int, ...], condition: int = 0) -> Encoder:
        down = self._down(shape, condition)
        layers: list[nn.Module] = [*down, nn.Flatten()]
        features = down.out_features
        for units in self.hidden:
            layers += then(partial(nn.Linear, features, units), units, self.norm, self.activation)
            features = units
        return Encoder(layers, features)

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1, condition: int = 0) -> nn.Module:
        _, h, w = image_shape("conv", shape)
        sizes, channels = self._sizes(h, w)
        (h0, w0), c0 = sizes[-1], channels[-1]
        layers, in_features = beside(condition), in_features + condition
        for units in self.hidden[::-1]:
            layers += then(partial(nn.Linear, in_features, units), units, self.norm, self.activation)
            in_features = units
        dense, *rest = then(partial(nn.Linear, in_features, c0 * h0 * w0), c0, self.norm, self.activation)
        layers += [dense, nn.Unflatten(1, (c0, h0, w0)), *rest]
        return Layers(*layers, *self._up(c0, shape, parameters))

    def map_encoder(self, shape: tuple[int, ...], condition: int = 0) -> Encoder:
        self._without_dense_layers()
        return self._down(shape, condition)

    def map_decoder(
        self, code: tuple[int, ...], shape: tuple[int, ...], parameters: int = 1, condition: int = 0
    ) -> nn.Module:
        self._without_dense_layers()
        return Layers(*beside(condition), *self._up(code[0] + condition, shape, parameters))

    def _without_dense_layers(self) -> None:
        if self.hidden:
            raise PushforwardError(
                f"network.hidden={list(self.hidden)}: a map passes no dense layers; use network.hidden=[] or model.code=vector"
            )

    def _down(self, shape: tuple[int, ...], condition: int) -> Encoder:
        """The convolutions from an image to the smallest map."""
        c, h, w = image_shape("conv", shape)
        sizes, channels = self._sizes(h, w)
        layers = beside(condition)
        for i, out in enumerate(channels):
            layer = partial(nn.Conv2d, channels[i - 1] if i else c + condition, out, 4, stride=2, padding=1)
            layers += then(layer, out, self.norm if i else "none", self.activation)
        layers += then(partial(nn.Conv2d, out, out, 3, padding=1), out, self.norm, self.activation)
        return Encoder(layers, (out, *sizes[-1]))

    def _up(self, in_channels: int, shape: tuple[int, ...], parameters: int) -> list[nn.Module]:
        """The convolutions from the smallest map to an image."""
        c, h, w = image_shape("conv", shape)
        sizes, channels = self._sizes(h, w)
        layers = then(
            partial(nn.Conv2d, in_channels, channels[-1], 3, padding=1), channels[-1], self.norm, self.activation
        )
        for i in range(len(channels) - 1, 0, -1):
            up = partial(double, channels[i], channels[i - 1], sizes[i + 1], sizes[i])
            layers += then(up, channels[i - 1], self.norm, self.activation)
        return [*layers, double(channels[0], parameters * c, sizes[1], sizes[0]), nn.Unflatten(1, (parameters, c))]

    def field(self, shape: tuple[int, ...], condition: int = 0) -> nn.Module:
        raise missing("conv", "field")

    def _sizes(self, h: int, w: int) -> tuple[list[tuple[int, int]], list[int]]:
        """The image's sizes from full to smallest, and the channels at each halved size."""
        sizes = [(h, w)]
        while len(sizes) <= self.depth if self.depth is not None else len(sizes) == 1 or min(sizes[-1]) >= 8:
            sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
        if len(sizes) == 1 or min(sizes[-1]) < 1:
            raise PushforwardError(
                f"network.depth={self.depth} does not fit images of {h}×{w}: "
                f"choose 1 to {min(h, w).bit_length() - 1}, or leave it out"
            )
        return sizes, [self.width * 2**i for i in range(len(sizes) - 1)]


def double(
    in_channels: int, out_channels: int, size: tuple[int, int], target: tuple[int, int], bias: bool = True
) -> nn.Module:
    """A transposed convolution from `size` to `target`, twice it or one more."""
    extra = (target[0] - 2 * size[0], target[1] - 2 * size[1])
    return nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, output_padding=extra, bias=bias)
