"""Residual networks, sized by the image."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.domains import Count
from pushforward.networks.blocks import ACTIVATIONS, NORMS, Layers, beside, choice, conv, then
from pushforward.networks.network import Encoder, image_shape, missing


@dataclass(frozen=True)
class ResNet:
    """`blocks` residual blocks at each size, pre-activation; sizes halve down to 4 to 7 pixels. He et al. 2016.

    Channels are `width` times one of `multipliers` at each size (the last repeats). The encoder halves by average
    pooling, the decoder doubles by repeating pixels.
    """

    width: Count = 32
    multipliers: tuple[Count, ...] = (1, 2, 4)
    blocks: Count = 1
    activation: str = "relu"
    norm: str = "batch"

    def __post_init__(self) -> None:
        object.__setattr__(self, "multipliers", tuple(self.multipliers))

    def encoder(self, shape: tuple[int, ...], condition: int = 0) -> Encoder:
        down = self.map_encoder(shape, condition)
        return Encoder([*down, nn.Flatten()], down.out_features)

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1, condition: int = 0) -> nn.Module:
        _, h, w = image_shape("resnet", shape)
        sizes, channels = self._sizes(h, w)
        (h0, w0), c0 = sizes[-1], channels[-1]
        dense = nn.Linear(in_features + condition, c0 * h0 * w0), nn.Unflatten(1, (c0, h0, w0))
        return Layers(*beside(condition), *dense, *self._up(shape, parameters))

    def map_encoder(self, shape: tuple[int, ...], condition: int = 0) -> Encoder:
        c, h, w = image_shape("resnet", shape)
        sizes, channels = self._sizes(h, w)
        layers = [*beside(condition), conv(c + condition, channels[0], bias=self.norm != "batch")]
        for i, out in enumerate(channels):
            if i:
                # the size rounds up, so that no pixel of an odd image is left out
                layers.append(nn.AvgPool2d(2, ceil_mode=True))
            layers += self._blocks(channels[max(i - 1, 0)], out)
        return Encoder([*layers, *self._activate(channels[-1])], (channels[-1], *sizes[-1]))

    def map_decoder(
        self, code: tuple[int, ...], shape: tuple[int, ...], parameters: int = 1, condition: int = 0
    ) -> nn.Module:
        _, channels = self._sizes(*image_shape("resnet", shape)[1:])
        return Layers(*beside(condition), conv(code[0] + condition, channels[-1]), *self._up(shape, parameters))

    def _up(self, shape: tuple[int, ...], parameters: int) -> list[nn.Module]:
        """The blocks from the smallest map to an image."""
        c, h, w = image_shape("resnet", shape)
        sizes, channels = self._sizes(h, w)
        layers: list[nn.Module] = []
        for i in range(len(channels) - 1, -1, -1):
            layers += self._blocks(channels[min(i + 1, len(channels) - 1)], channels[i])
            if i:
                layers.append(Resize(sizes[i - 1]))
        layers += [*self._activate(channels[0]), conv(channels[0], parameters * c)]
        return [*layers, nn.Unflatten(1, (parameters, c))]

    def field(self, shape: tuple[int, ...], condition: int = 0) -> nn.Module:
        raise missing("resnet", "field")

    def _sizes(self, h: int, w: int) -> tuple[list[tuple[int, int]], list[int]]:
        """The image's sizes from full to smallest, and the channels at each."""
        sizes = [(h, w)]
        while min(sizes[-1]) >= 8:
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        last = len(self.multipliers) - 1
        return sizes, [self.width * self.multipliers[min(i, last)] for i in range(len(sizes))]

    def _blocks(self, channels: int, out: int) -> list[nn.Module]:
        return [ResidualBlock(channels if i == 0 else out, out, self.norm, self.activation) for i in range(self.blocks)]

    def _activate(self, channels: int) -> list[nn.Module]:
        norm = choice(NORMS, "norm", self.norm)(channels)
        return [*([norm] if norm is not None else []), choice(ACTIVATIONS, "activation", self.activation)()]


class ResidualBlock(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), with a 1×1 convolution of x where the channels change.

    With batch norms no convolution has a bias: even what is added to x goes into a later norm, which takes it out.
    """

    def __init__(self, channels: int, out: int, norm: str, activation: str) -> None:
        super().__init__()
        first = choice(NORMS, "norm", norm)(channels)
        act = choice(ACTIVATIONS, "activation", activation)
        _, *middle = then(nn.Identity, out, norm, activation)
        bias = norm != "batch"
        self.layers = nn.Sequential(
            *([first] if first is not None else []),
            act(),
            conv(channels, out, bias=bias),
            *middle,
            conv(out, out, bias=bias),
        )
        self.skip = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        return self.skip(x) + self.layers(x)


class Resize(nn.Module):
    """Repeats pixels up to `size`."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c H W"]:
        return F.interpolate(x, self.size)

    def extra_repr(self) -> str:
        return f"{self.size[0]}×{self.size[1]}"
