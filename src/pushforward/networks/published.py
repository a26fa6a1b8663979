"""Networks of published shapes. On images of other sizes than the paper's they halve, or double, as often as these need."""

from dataclasses import dataclass
from functools import partial
from math import prod

from jaxtyping import Float
from torch import Tensor, nn

from pushforward.domains import Count
from pushforward.errors import PushforwardError
from pushforward.networks.blocks import ACTIVATIONS, NORMS, Layers, beside, choice, conv, then
from pushforward.networks.conv import double
from pushforward.networks.mlp import MLP
from pushforward.networks.network import Encoder, image_shape, missing
from pushforward.networks.resnet import Resize


@dataclass(frozen=True)
class DCGAN:
    """5×5 convolutions of stride 2 between an image and a map of 4×4 with `width` channels. Radford et al. 2016, fig. 1.

    Channels halve as a map doubles: 1024 at 4×4 and 128 at 32×32 for images of 64×64; 256 at 16×16 for those of 32×32, as in
    the paper's sec. 5.1. Sizes are halved rounding up: 28 → 14 → 7 → 4. `depth` is the number of halvings; None: down to 4.
    Neither the first layer of the encoder nor the last of the decoder is normalised.
    """

    width: Count
    depth: Count | None
    activation: str
    norm: str

    def encoder(self, shape: tuple[int, ...], condition: int = 0) -> Encoder:
        c, h, w = image_shape("dcgan", shape)
        sizes, channels = self._sizes(h, w)
        layers, before = beside(condition), c + condition
        for i, out in enumerate(channels):
            layer = partial(nn.Conv2d, before, out, 5, stride=2, padding=2)
            layers += then(layer, out, self.norm if i else "none", self.activation)
            before = out
        return Encoder([*layers, nn.Flatten()], before * sizes[-1][0] * sizes[-1][1])

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1, condition: int = 0) -> nn.Module:
        c, h, w = image_shape("dcgan", shape)
        sizes, channels = self._sizes(h, w)
        (h0, w0), before = sizes[-1], channels[-1]
        features = in_features + condition
        dense, *rest = then(partial(nn.Linear, features, before * h0 * w0), before, self.norm, self.activation)
        layers = [*beside(condition), dense, nn.Unflatten(1, (before, h0, w0)), *rest]
        for i in range(len(channels) - 1, 0, -1):
            up = partial(twice, before, channels[i - 1], sizes[i + 1], sizes[i])
            layers += then(up, channels[i - 1], self.norm, self.activation)
            before = channels[i - 1]
        return Layers(*layers, twice(before, parameters * c, sizes[1], sizes[0]), nn.Unflatten(1, (parameters, c)))

    def field(self, shape: tuple[int, ...], condition: int = 0) -> nn.Module:
        raise missing("dcgan", "field")

    def _sizes(self, h: int, w: int) -> tuple[list[tuple[int, int]], list[int]]:
        """The image's sizes from full to smallest, and the channels at each halved size."""
        depth = len(halved(h, w)) - 1 if self.depth is None else self.depth
        deepest = (min(h, w) - 1).bit_length()
        if depth > deepest:
            raise PushforwardError(
                f"network.depth={depth} does not fit images of {h}×{w}: choose 1 to {deepest}, or leave it out"
            )
        sizes = [(h, w)]
        for _ in range(depth):
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        return sizes, [max(1, self.width >> (depth - 1 - i)) for i in range(depth)]


@dataclass(frozen=True)
class InfoGANConv:
    """4×4 convolutions of stride 2 with `width` and 2·`width` channels and a dense layer. Chen et al. 2016, app. C.1 (MNIST).

    It is also the network of GANs in Lucic et al. 2018. Neither the first layer of the encoder nor the last of the decoder is
    normalised.
    """

    width: Count
    hidden: Count
    activation: str
    norm: str

    def encoder(self, shape: tuple[int, ...], condition: int = 0) -> Encoder:
        c, h, w = image_shape("infogan", shape)
        wide, features = 2 * self.width, 2 * self.width * (h // 4) * (w // 4)
        down = partial(nn.Conv2d, kernel_size=4, stride=2, padding=1)
        layers = [
            *beside(condition),
            *then(partial(down, c + condition, self.width), self.width, "none", self.activation),
            *then(partial(down, self.width, wide), wide, self.norm, self.activation),
            nn.Flatten(),
            *then(partial(nn.Linear, features, self.hidden), self.hidden, self.norm, self.activation),
        ]
        return Encoder(layers, self.hidden)

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1, condition: int = 0) -> nn.Module:
        c, h, w = image_shape("infogan", shape)
        half, quarter = (h // 2, w // 2), (h // 4, w // 4)
        wide, features = 2 * self.width, 2 * self.width * quarter[0] * quarter[1]
        return Layers(
            *beside(condition),
            *then(partial(nn.Linear, in_features + condition, self.hidden), self.hidden, self.norm, self.activation),
            *then(partial(nn.Linear, self.hidden, features), features, self.norm, self.activation),
            nn.Unflatten(1, (wide, *quarter)),
            *then(partial(double, wide, self.width, quarter, half), self.width, self.norm, self.activation),
            double(self.width, parameters * c, half, (h, w)),
            nn.Unflatten(1, (parameters, c)),
        )

    def field(self, shape: tuple[int, ...], condition: int = 0) -> nn.Module:
        raise missing("infogan", "field")


@dataclass(frozen=True)
class SNGANResNet:
    """Residual networks for images of 32×32. Miyato et al. 2018, table 4.

    The decoder doubles a map of 4×4 with `width` channels, a block a doubling. The encoder has two blocks that halve and two
    that do not, of `critic_width` channels, and sums its map over pixels.
    """

    width: Count
    critic_width: Count
    activation: str
    norm: str

    def encoder(self, shape: tuple[int, ...], condition: int = 0) -> Encoder:
        c, *_ = image_shape("sngan_resnet", shape)
        out, act = self.critic_width, choice(ACTIVATIONS, "activation", self.activation)
        normalise = choice(NORMS, "norm", self.norm)(out)
        block = partial(ResampledBlock, norm=self.norm, activation=self.activation)
        return Encoder(
            [
                *beside(condition),
                block(c + condition, out, halves=True, first=True),
                block(out, out, halves=True),
                block(out, out),
                block(out, out),
                *([] if normalise is None else [normalise]),
                act(),
                SumOverPixels(),
            ],
            out,
        )

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1, condition: int = 0) -> nn.Module:
        c, h, w = image_shape("sngan_resnet", shape)
        sizes, width = halved(h, w), self.width
        dense = nn.Linear(in_features + condition, width * sizes[-1][0] * sizes[-1][1])
        layers = [*beside(condition), dense, nn.Unflatten(1, (width, *sizes[-1]))]
        for size in sizes[-2::-1]:
            layers.append(ResampledBlock(width, width, self.norm, self.activation, doubles_to=size))
        normalise = choice(NORMS, "norm", self.norm)(width)
        layers += [] if normalise is None else [normalise]
        layers += [choice(ACTIVATIONS, "activation", self.activation)(), conv(width, parameters * c)]
        return Layers(*layers, nn.Unflatten(1, (parameters, c)))

    def field(self, shape: tuple[int, ...], condition: int = 0) -> nn.Module:
        raise missing("sngan_resnet", "field")


class ResampledBlock(nn.Module):
    """skip(x) + conv(act(norm(conv(act(norm(x)))))), doubled before the first convolution or halved after the second.

    first: x is the image, which is neither normalised nor rectified. As in `ResidualBlock`, with batch norms there is no bias.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        norm: str,
        activation: str,
        doubles_to: tuple[int, int] | None = None,
        halves: bool = False,
        first: bool = False,
    ) -> None:
        super().__init__()
        bias = norm != "batch"
        _, *before = then(nn.Identity, channels, norm, activation)
        _, *middle = then(nn.Identity, out, norm, activation)
        up = [] if doubles_to is None else [Resize(doubles_to)]
        # rounding up, so that no pixel of an odd image is left out
        down = [nn.AvgPool2d(2, ceil_mode=True)] if halves else []
        first_layers = [] if first else before
        self.layers = nn.Sequential(
            *first_layers, *up, conv(channels, out, bias=bias), *middle, conv(out, out, bias=bias), *down
        )
        through = [nn.Conv2d(channels, out, 1, bias=bias)] if up or down or channels != out else []
        self.skip = nn.Sequential(*up, *through, *down)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d k l"]:
        return self.skip(x) + self.layers(x)


class SumOverPixels(nn.Module):
    """A map summed over its pixels."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c"]:
        return x.sum((2, 3))


@dataclass(frozen=True)
class MaxoutMLP:
    """An encoder of maxout layers and a decoder of dense ones. PacGAN's on points; Lin et al. 2018, app. B.

    A unit is the largest of `pieces` linear ones (Goodfellow et al. 2013). `activation` and `norm` are the decoder's: the
    encoder has neither.
    """

    hidden: tuple[Count, ...]
    pieces: Count
    decoder_hidden: tuple[Count, ...]
    activation: str
    norm: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        object.__setattr__(self, "decoder_hidden", tuple(self.decoder_hidden))

    def encoder(self, shape: tuple[int, ...], condition: int = 0) -> Encoder:
        layers: list[nn.Module] = [*[nn.Flatten()] * (len(shape) > 1), *beside(condition)]
        width = prod(shape) + condition
        for units in self.hidden:
            layers.append(Maxout(width, units, self.pieces))
            width = units
        return Encoder(layers, width)

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1, condition: int = 0) -> nn.Module:
        return MLP(self.decoder_hidden[::-1], self.activation, self.norm).decoder(
            in_features, shape, parameters, condition
        )

    def field(self, shape: tuple[int, ...], condition: int = 0) -> nn.Module:
        raise missing("maxout_mlp", "field")


class Maxout(nn.Module):
    """The largest of `pieces` linear maps, unit by unit."""

    def __init__(self, in_features: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear, self.pieces = nn.Linear(in_features, units * pieces), pieces

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n u"]:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


def halved(h: int, w: int) -> list[tuple[int, int]]:
    """A size and its halves, rounding up, at least one, until the shorter side is of at most 4 pixels."""
    sizes = [(h, w)]
    while len(sizes) == 1 or min(sizes[-1]) > 4:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def twice(
    channels: int, out: int, size: tuple[int, int], target: tuple[int, int], bias: bool = True
) -> nn.ConvTranspose2d:
    """A transposed 5×5 convolution from `size` to `target`, twice it or one less."""
    extra = (target[0] - 2 * size[0] + 1, target[1] - 2 * size[1] + 1)
    return nn.ConvTranspose2d(channels, out, 5, stride=2, padding=2, output_padding=extra, bias=bias)
