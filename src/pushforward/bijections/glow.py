"""Glow: bijections of maps that keep their size, composed on several scales. Kingma & Dhariwal 2018, arXiv:1807.03039."""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from zuko.lazy import LazyTransform
from zuko.transforms import DependentTransform, MonotonicAffineTransform

from pushforward.bijections.coupling import LOG_SCALE
from pushforward.domains import Count, Natural
from pushforward.errors import PushforwardError
from pushforward.networks.blocks import Layers, beside, conv, zero

Map = Float[Tensor, "n c h w"]


class MapBijection(nn.Module, ABC):
    """A bijection of maps (n, c, h, w), given a condition c, (n, k), or None. Abstract."""

    @abstractmethod
    def forward(self, x: Map, c: Tensor | None) -> tuple[Map, Tensor]:
        """y and log |det ∂y/∂x|, nats, (n,) or ()."""

    @abstractmethod
    def inverse(self, y: Map, c: Tensor | None) -> Map:
        """x of y."""


class ActNorm(MapBijection):
    """exp(s)·(x + b), with s and b of each channel. Sec. 3.1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))

    @torch.no_grad()
    def start(self, x: Map) -> None:
        """Set b and s so that x comes out with mean 0 and variance 1 in each channel."""
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        self.shift.copy_(-mean.view(-1, 1, 1))
        self.log_scale.copy_(-(variance.sqrt() + 1e-6).log().view(-1, 1, 1))  # a channel may be constant

    def forward(self, x: Map, c: Tensor | None) -> tuple[Map, Tensor]:
        return (x + self.shift) * self.log_scale.exp(), self.log_scale.sum() * math.prod(x.shape[2:])

    def inverse(self, y: Map, c: Tensor | None) -> Map:
        return y * torch.exp(-self.log_scale) - self.shift


class InvertibleConvolution(MapBijection):
    """Wx at each place, W = PL(U + diag(±exp s)), at first a random rotation: log |det| = HW·Σ s. Sec. 3.2, eq. 10–11."""

    permutation: Tensor
    signs: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        permutation, lower, upper = torch.linalg.lu(torch.linalg.qr(torch.randn(channels, channels))[0])
        self.register_buffer("permutation", permutation)
        self.register_buffer("signs", upper.diagonal().sign())
        self.lower, self.upper = nn.Parameter(lower.tril(-1)), nn.Parameter(upper.triu(1))
        self.log_scale = nn.Parameter(upper.diagonal().abs().log())

    def factors(self) -> tuple[Tensor, Tensor]:
        """L and U + diag(±exp s)."""
        one = torch.eye(len(self.signs), dtype=self.signs.dtype, device=self.signs.device)
        return self.lower.tril(-1) + one, self.upper.triu(1) + one * (self.signs * self.log_scale.exp())

    def forward(self, x: Map, c: Tensor | None) -> tuple[Map, Tensor]:
        lower, upper = self.factors()
        with torch.autocast(x.device.type, enabled=False):  # in bf16 it would not be the map whose determinant this is
            y = (self.permutation @ lower @ upper) @ x.flatten(2)
        return y.view(x.shape), self.log_scale.sum() * math.prod(x.shape[2:])

    def inverse(self, y: Map, c: Tensor | None) -> Map:
        lower, upper = self.factors()
        with torch.autocast(y.device.type, enabled=False):
            x = self.permutation.mT @ y.flatten(2)
            x = torch.linalg.solve_triangular(lower, x, upper=False, unitriangular=True)
            x = torch.linalg.solve_triangular(upper, x, upper=True)
        return x.view(y.shape)


class MapCoupling(MapBijection):
    """y_b = exp(s)·x_b + t, s and t functions of the first half of the channels, x_a, |s| < `LOG_SCALE`. Sec. 3.3.

    They come from convolutions of 3×3, 1×1 and 3×3 with `width` channels between; with none, from one of 3×3.
    The last starts at zero, and so the map as the identity.
    """

    def __init__(self, channels: int, width: int, context: int) -> None:
        super().__init__()
        self.kept = channels // 2
        given, wanted = self.kept + context, 2 * (channels - self.kept)
        between = [conv(given, width), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU()] if width else []
        self.network = Layers(*beside(context), *between, zero(conv(width or given, wanted)))

    def given(self, a: Map, c: Tensor | None) -> Transform:
        """The map of the other half."""
        shift, scale = self.network(a, c).to(a.dtype).chunk(2, 1)
        return DependentTransform(MonotonicAffineTransform(shift, scale, slope=math.exp(-LOG_SCALE)), 3)

    def forward(self, x: Map, c: Tensor | None) -> tuple[Map, Tensor]:
        a, b = x[:, : self.kept], x[:, self.kept :]
        y, ladj = self.given(a, c).call_and_ladj(b)  # type: ignore[attr-defined]
        return torch.cat((a, y), 1), ladj

    def inverse(self, y: Map, c: Tensor | None) -> Map:
        a, b = y[:, : self.kept], y[:, self.kept :]
        return torch.cat((a, self.given(a, c).inv(b)), 1)


class Glow(LazyTransform):
    """On each scale: squeeze, `transforms` times actnorm, 1×1 convolution and coupling, and half of the channels out as codes.

    shape: of images (c, h, w) with even sides. levels: scales at most, as many as the sides can be halved. width: channels
    within couplings. learned: the codes of a scale are normal with mean and deviation of the half that goes on, and those of
    the last one with their channels' own, so that the map ends at N(0, I); else they are N(0, I) as they are. context: size
    of the condition. Raises PushforwardError for data that cannot be squeezed.
    """

    started: Tensor

    def __init__(
        self,
        shape: tuple[Count, ...],
        levels: Count,
        transforms: Count,
        width: Count,
        learned: bool,
        context: Natural = 0,
    ) -> None:
        super().__init__()
        if len(shape) != 3 or shape[1] % 2 or shape[2] % 2:
            raise PushforwardError(
                f"model.bijection: Glow squeezes images (c, h, w) of even height and width, and these are {tuple(shape)}; "
                "use data of another size, or model=realnvp"
            )
        self.shape, self.levels = tuple(shape), nn.ModuleList()
        channels, height, across = shape
        while len(self.levels) < levels and height % 2 == across % 2 == 0:
            channels, height, across = 4 * channels, height // 2, across // 2
            layers: list[MapBijection] = []
            for _ in range(transforms):
                layers += [ActNorm(channels), InvertibleConvolution(channels), MapCoupling(channels, width, context)]
            last = len(self.levels) + 1 == levels or height % 2 or across % 2
            if learned:
                layers.append(ActNorm(channels) if last else MapCoupling(channels, 0, context))
            self.levels.append(nn.ModuleList(layers))
            channels //= 2
        self.register_buffer("started", torch.tensor(False))

    def forward(self, c: Tensor | None = None) -> Transform:
        return GlowTransform(self, c)

    @torch.no_grad()
    def initialize(self, x: Float[Tensor, "n d"], c: Float[Tensor, "n context"] | None = None) -> None:
        """Set actnorms by a batch, the first that is given. Sec. 3.1."""
        if not bool(self.started):
            self.there(x.reshape(-1, *self.shape), c, start=True)
            self.started.fill_(True)

    def there(self, x: Map, c: Tensor | None, start: bool = False) -> tuple[Float[Tensor, "n d"], Tensor]:
        """Codes, the first scale's first, and log |det|; with `start` each actnorm is set by what reaches it."""
        codes, total = [], x.new_zeros(len(x))
        for i, level in enumerate(self.levels):
            x = squeeze(x)
            for layer in level:  # type: ignore[attr-defined]
                if start and isinstance(layer, ActNorm):
                    layer.start(x)
                x, ladj = layer(x, c)
                total = total + ladj
            if i + 1 < len(self.levels):
                x, z = x.chunk(2, 1)
                codes.append(z.flatten(1))
        return torch.cat([*codes, x.flatten(1)], 1), total

    def back(self, z: Float[Tensor, "n d"], c: Tensor | None) -> Map:
        """x of codes."""
        channels, height, width = self.shape
        shapes = [(2 * channels * 2**i, height >> i + 1, width >> i + 1) for i in range(len(self.levels) - 1)]
        *codes, last = z.split([*map(math.prod, shapes), z.shape[1] - sum(map(math.prod, shapes))], 1)
        depth = len(self.levels)
        x = last.view(len(z), -1, height >> depth, width >> depth)
        for i in reversed(range(depth)):
            if i + 1 < depth:
                x = torch.cat((x, codes[i].view(len(z), *shapes[i])), 1)
            for layer in reversed(self.levels[i]):  # type: ignore[arg-type, call-overload]
                x = layer.inverse(x, c)
            x = unsqueeze(x)
        return x


class GlowTransform(Transform):
    """`Glow` under a condition, over vectors. Final."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, glow: Glow, c: Tensor | None) -> None:
        super().__init__()
        self.glow, self.c = glow, c

    def _call(self, x: Tensor) -> Tensor:
        return self.call_and_ladj(x)[0]

    def _inverse(self, y: Tensor) -> Tensor:
        return self.glow.back(y.reshape(-1, y.shape[-1]), self.c).reshape(y.shape)

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z and log |det ∂z/∂x|, nats, in one pass."""
        z, ladj = self.glow.there(x.reshape(-1, *self.glow.shape), self.c)
        return z.view(x.shape), ladj.view(x.shape[:-1])

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.call_and_ladj(x)[1]


def squeeze(x: Map) -> Map:
    """2×2 places as four channels, (n, 4c, h/2, w/2). Dinh et al. 2017, sec. 3.6."""
    return F.pixel_unshuffle(x, 2)


def unsqueeze(y: Map) -> Map:
    """The inverse of `squeeze`."""
    return F.pixel_shuffle(y, 2)
