"""Networks whose outputs at a dimension see only the dimensions before it: a masked MLP, and masked convolutions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from zuko.nn import MaskedLinear

from pushforward.domains import Count
from pushforward.networks.blocks import ACTIVATIONS, choice
from pushforward.networks.network import image_shape


class MaskedMLP(nn.Module):
    """x (n, *shape) → (n, parameters, *shape), those at i a function of x_1 … x_{i−1}. Germain et al. 2015, sec. 4."""

    def __init__(self, shape: tuple[int, ...], parameters: int, hidden: Sequence[int], activation: str) -> None:
        super().__init__()
        self.shape, self.outputs = shape, parameters
        dim = math.prod(shape)
        # a unit of number m sees inputs 1 … m and feeds outputs m + 1 … D; the numbers are spread evenly over 1 … D − 1
        numbers = [torch.arange(1, dim + 1)]
        layers: list[nn.Module] = []
        for units in hidden:
            numbers.append(1 + torch.arange(units) % max(1, dim - 1))
            layers += [
                MaskedLinear(numbers[-1][:, None] >= numbers[-2]),
                choice(ACTIVATIONS, "activation", activation)(),
            ]
        last = torch.arange(1, dim + 1).repeat(parameters)
        self.layers = nn.Sequential(*layers, MaskedLinear(last[:, None] > numbers[-1]))

    def forward(self, x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n p *shape"]:
        return self.layers(x.flatten(1)).view(-1, self.outputs, *self.shape)


class MaskedConv2d(nn.Conv2d):
    """A convolution that sees pixels above and to the left, and of its own pixel the channels before (type A), or also
    the channel itself (B); channels stand for `colours` in turn. van den Oord et al. 2016, fig. 2.
    """

    mask: Tensor

    def __init__(self, channels: int, out: int, size: int, kind: str, colours: int) -> None:
        super().__init__(channels, out, size, padding=size // 2)
        mask = torch.zeros(out, channels, size, size)
        mask[:, :, : size // 2] = 1
        mask[:, :, size // 2, : size // 2] = 1
        own, given = torch.arange(out) % colours, torch.arange(channels) % colours
        mask[:, :, size // 2, size // 2] = (own[:, None] > given if kind == "A" else own[:, None] >= given).float()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class Residual(nn.Module):
    """h + 1×1(σ(3×3(σ(1×1(σ(h)))))), all masked (B). van den Oord et al. 2016, fig. 5."""

    def __init__(self, width: int, colours: int) -> None:
        super().__init__()
        # of whole groups of colours, so that every colour has channels of its own in the narrow part
        narrow = max(1, width // 2 // colours) * colours
        self.layers = nn.Sequential(
            nn.ReLU(), MaskedConv2d(width, narrow, 1, "B", colours),
            nn.ReLU(), MaskedConv2d(narrow, narrow, 3, "B", colours),
            nn.ReLU(), MaskedConv2d(narrow, width, 1, "B", colours),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class MaskedConvolutions(nn.Module):
    """x (n, c, h, w) → (n, parameters, c, h, w), a pixel's colours in turn."""

    def __init__(
        self, shape: tuple[int, int, int], parameters: int, width: int, blocks: int, first: int, one_hot: bool
    ) -> None:
        super().__init__()
        self.colours, self.outputs, self.one_hot = shape[0], parameters, one_hot
        channels = max(1, width // self.colours) * self.colours
        read = self.colours * (parameters if one_hot else 1)
        self.layers = nn.Sequential(
            MaskedConv2d(read, channels, first, "A", self.colours),
            *[Residual(channels, self.colours) for _ in range(blocks)],
            nn.ReLU(), MaskedConv2d(channels, channels, 1, "B", self.colours),
            nn.ReLU(), MaskedConv2d(channels, self.colours * parameters, 1, "B", self.colours),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n p c h w"]:
        # channel p·c + i belongs to colour i, of what is read as of what is given
        if self.one_hot:
            level = (x * (self.outputs - 1)).round().unsqueeze(1)
            places = torch.arange(self.outputs, device=x.device, dtype=x.dtype).view(-1, 1, 1, 1)
            x = (level == places).to(x.dtype).flatten(1, 2)
        return self.layers(x).unflatten(1, (self.outputs, self.colours))


@dataclass(frozen=True)
class PixelCNN:
    """A 7×7 convolution (A), `blocks` residual blocks of `width` channels, two 1×1 (B). van den Oord et al. 2016, table 1.

    one_hot: levels k/(K − 1) are read as one of K channels, not as a number; for levels that are names. It takes K parameters
    a pixel, as distributions.Categorical has them.
    """

    width: Count
    blocks: Count
    first: Count = 7
    one_hot: bool = False

    def autoregressive(self, shape: tuple[int, ...], parameters: int) -> nn.Module:
        """x (n, c, h, w) → (n, parameters, c, h, w), those at a colour of a pixel a function of what comes before it."""
        image = image_shape("pixelcnn", shape)
        return MaskedConvolutions(image, parameters, self.width, self.blocks, self.first, self.one_hot)
