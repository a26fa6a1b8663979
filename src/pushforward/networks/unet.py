"""The U-Net of diffusion models: a field over images."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.domains import Count, Natural
from pushforward.networks.blocks import Attention, TimeFeatures, check_condition, conv, group_norm, zero
from pushforward.networks.network import Encoder, image_shape, missing


@dataclass(frozen=True)
class UNet:
    """Residual blocks down and up, joined at each size, told the time. Ho, Jain & Abbeel 2020, app. B.

    Channels are `width` times each of `multipliers`, and sizes halve between them (rounding up: 28 → 14 → 7);
    `blocks` residual blocks at each size; self-attention where no side is above `attention` pixels.
    """

    width: Count = 16
    multipliers: tuple[Count, ...] = (1, 2, 2)
    blocks: Count = 1
    attention: Natural = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "multipliers", tuple(self.multipliers))

    def encoder(self, shape: tuple[int, ...], condition: int = 0) -> Encoder:
        raise missing("unet", "encoder")

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1, condition: int = 0) -> nn.Module:
        raise missing("unet", "decoder")

    def field(self, shape: tuple[int, ...], condition: int = 0) -> nn.Module:
        c, h, w = image_shape("unet", shape)
        return UNetField((c, h, w), self.width, self.multipliers, self.blocks, self.attention, condition)


class UNetField(nn.Module):
    """(x, t, c) → a field of x's shape; zero at the start, as its last convolution is. c is added to t's embedding."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int,
        multipliers: tuple[int, ...],
        blocks: int,
        attention: int,
        condition: int,
    ) -> None:
        super().__init__()
        c, h, w = shape
        time = 4 * width
        self.time = nn.Sequential(TimeFeatures(width * 2), nn.Linear(width * 2, time), nn.SiLU(), nn.Linear(time, time))
        self.condition = nn.Linear(condition, time) if condition else None
        self.first = conv(c, width)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        skips, attends, channels = [width], list[bool](), width
        for level, multiplier in enumerate(multipliers):
            attends.append(max(h, w) <= attention)
            for _ in range(blocks):
                self.down.append(TimedBlock(channels, width * multiplier, time, attends[-1]))
                channels = width * multiplier
                skips.append(channels)
            if level < len(multipliers) - 1:
                self.down.append(conv(channels, channels, stride=2))
                h, w = -(-h // 2), -(-w // 2)
                skips.append(channels)
        self.middle = TimedBlock(channels, channels, time, attends[-1])
        for multiplier, attend in reversed(list(zip(multipliers, attends, strict=True))):
            for _ in range(blocks + 1):
                self.up.append(TimedBlock(channels + skips.pop(), width * multiplier, time, attend))
                channels = width * multiplier
        self.last = nn.Sequential(group_norm(channels), nn.SiLU(), zero(conv(channels, c)))

    def forward(
        self, x: Float[Tensor, " n c h w"], t: Float[Tensor, " n"], c: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, " n c h w"]:
        check_condition(c, self.condition is not None)
        time = self.time(t)
        if self.condition is not None:
            time = time + self.condition(c)
        h = self.first(x)
        skips = [h]
        for block in self.down:
            h = block(h, time) if isinstance(block, TimedBlock) else block(h)
            skips.append(h)
        h = self.middle(h, time)
        for block in self.up:
            skip = skips.pop()
            if h.shape[-2:] != skip.shape[-2:]:
                h = F.interpolate(h, skip.shape[-2:])
            h = block(torch.cat((h, skip), 1), time)
        return self.last(h)


class TimedBlock(nn.Module):
    """A residual block whose middle is shifted by a projection of the time, and attention after it where asked."""

    def __init__(self, channels: int, out: int, time: int, attend: bool) -> None:
        super().__init__()
        self.before = nn.Sequential(group_norm(channels), nn.SiLU(), conv(channels, out))
        self.shift = nn.Sequential(nn.SiLU(), nn.Linear(time, out))
        self.after = nn.Sequential(group_norm(out), nn.SiLU(), zero(conv(out, out)))
        self.skip = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)
        self.attention = Attention(out) if attend else nn.Identity()

    def forward(self, x: Float[Tensor, "n c h w"], time: Float[Tensor, "n k"]) -> Float[Tensor, "n d h w"]:
        h = self.before(x) + self.shift(time)[:, :, None, None]
        return self.attention(self.skip(x) + self.after(h))
