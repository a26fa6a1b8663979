"""Layers that the networks are made of."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.errors import PushforwardError
from pushforward.parallel import gather, world

T = TypeVar("T")
L = TypeVar("L", bound=nn.Module)


class BatchNorm(nn.Module):
    """Batch normalisation of (n, c) or (n, c, h, w) over the GLOBAL batch. Ioffe & Szegedy 2015.

    In training the moments are those of all processes' slices together (of equal size), and their gradient reaches all
    of them. Running statistics move in place, when `training` and `track`; whoever runs a network for another player's
    step sets `track = False`. Raises PushforwardError in training on a batch of one image, which has no variance.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps, self.track = momentum, eps, True
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Float[Tensor, "n c *hw"]) -> Float[Tensor, "n c *hw"]:
        if self.training:
            processes = world()[1]
            if len(x) * processes == 1:
                raise PushforwardError(
                    "norm=batch takes its moments over a batch, and this batch is one image; "
                    "take a larger batch_size, or network.norm=layer (model.critic.norm=layer in a GAN's critic)"
                )
            if processes > 1:
                return self._over_processes(x)
        # without running statistics F.batch_norm takes the batch's and moves nothing
        known = not self.training or self.track
        mean, var = (self.running_mean, self.running_var) if known else (None, None)
        return F.batch_norm(x, mean, var, self.weight, self.bias, self.training, self.momentum, self.eps)

    def _over_processes(self, x: Tensor) -> Tensor:
        wide, axes = x.to(self.weight.dtype), [0, *range(2, x.ndim)]  # x may be bf16
        var_r, mean_r = torch.var_mean(wide, axes, correction=0)
        moments = gather(torch.stack((mean_r, var_r)))  # (size, 2, c)
        mean = moments[:, 0].mean(0)
        # the variance within plus the variance between: no difference of large sums
        var = (moments[:, 1] + (moments[:, 0] - mean).square()).mean(0)
        if self.track:
            with torch.no_grad():
                m = moments.shape[0] * x.numel() // x.shape[1]
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var * (m / (m - 1)), self.momentum)
        scale = self.weight * torch.rsqrt(var + self.eps)
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return ((wide - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}"


@contextmanager
def frozen_statistics(norms: Sequence[BatchNorm]) -> Iterator[None]:
    """Within it these batch norms keep their running statistics: it is another player's step."""
    for norm in norms:
        norm.track = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track = True


class Beside(nn.Module):
    """x with a condition c, (n, condition), beside its features, or as constant channels beside its own."""

    def forward(self, x: Float[Tensor, "n f *hw"], c: Float[Tensor, "n k"]) -> Float[Tensor, "n g *hw"]:
        wide = c.to(x.dtype).view(*c.shape, *[1] * (x.ndim - 2))
        return torch.cat((x, wide.expand(-1, -1, *x.shape[2:])), 1)


class Layers(nn.Sequential):
    """Layers one after the other; those of kind `Beside`, where there are any, take in the condition c."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.conditioned = any(isinstance(layer, Beside) for layer in layers)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        check_condition(c, self.conditioned)
        for layer in self:
            x = layer(x, c) if isinstance(layer, Beside) else layer(x)
        return x


def beside(condition: int) -> list[nn.Module]:
    """The layer that takes in a condition of this size; none where there is no condition."""
    return [Beside()] if condition else []


def check_condition(c: Tensor | None, wanted: bool) -> None:
    """Raise PushforwardError where a network that was built for a condition is given none, or the other way round."""
    if (c is not None) != wanted:
        built, given = ("for a", "none") if wanted else ("without a", "one")
        raise PushforwardError(f"a network that was built {built} condition is given {given}")


class TimeFeatures(nn.Module):
    """(sin ωᵢt, cos ωᵢt) for t in [0, 1], ωᵢ geometric from 1 to `highest`. Vaswani et al. 2017, sec. 3.5."""

    frequencies: Tensor

    def __init__(self, features: int, highest: float = 1000.0) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(0, math.log10(highest), features // 2), persistent=False)

    def forward(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n f"]:
        # float32: in bf16 the phase ωt would have no digits left
        phase = t.float().unsqueeze(-1) * self.frequencies
        return torch.cat((phase.sin(), phase.cos()), -1)


class Attention(nn.Module):
    """x + self-attention over pixels, one head, its output zero at the start. Vaswani et al. 2017, eq. 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.out = zero(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        q, k, v = self.qkv(self.norm(x).flatten(2)).chunk(3, 1)  # (n, c, pixels)
        # written out: at these few pixels as fast as the fused kernel, and it nests under vmap and second derivatives
        weights = torch.softmax(k.mT @ (q / math.sqrt(q.shape[1])), -2)
        return x + self.out(v @ weights).reshape(x.shape)


def conv(channels: int, out: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A 3×3 convolution that keeps the size, or with stride 2 halves it, rounding up."""
    return nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=bias)


def zero(layer: L) -> L:
    """The layer with all its parameters set to 0, so that what it adds to begins as it is."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with the most groups, at most 32, of at least 4 channels each. Wu & He 2018 take 32."""
    return nn.GroupNorm(max(g for g in range(1, 33) if channels % g == 0 and (g == 1 or channels // g >= 4)), channels)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": partial(nn.LeakyReLU, 0.2),
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
NORMS: dict[str, Callable[[int], nn.Module | None]] = {
    "none": lambda c: None,
    "batch": BatchNorm,
    "group": group_norm,
    "layer": lambda c: nn.GroupNorm(1, c),  # one group: over c (h, w), affine per channel, on points and images alike
}


def choice(options: dict[str, T], what: str, name: str) -> T:
    """The option called `name`, or the error that names them all."""
    if name not in options:
        raise PushforwardError(f"{what}={name} is unknown. Choose one of {', '.join(options)}.")
    return options[name]


def then(layer: Callable[..., nn.Module], channels: int, norm: str, activation: str) -> list[nn.Module]:
    """[layer, norm, activation]; the layer has no bias where a batch norm would take it out again."""
    normalise = choice(NORMS, "norm", norm)(channels)
    act = choice(ACTIVATIONS, "activation", activation)()
    return [layer(bias=norm != "batch"), *([normalise] if normalise is not None else []), act]
