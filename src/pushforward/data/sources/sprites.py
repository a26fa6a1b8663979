"""Sprites in the manner of dSprites: every shape, scale, orientation and place, with the exact factors."""

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.data.sources.base import Arrays, Lazy, Source, Split
from pushforward.data.sources.dsprites import DSprites
from pushforward.domains import Count
from pushforward.errors import PushforwardError

CHUNK = 64
"""Images rendered at once."""

RADIUS = 0.25
"""Radius of the circle around a sprite of scale 1, as a share of the frame."""


def square(x: Tensor, y: Tensor) -> Tensor:
    return (x.abs() <= 0.7) & (y.abs() <= 0.7)


def ellipse(x: Tensor, y: Tensor) -> Tensor:
    return x.square() + (2 * y).square() <= 1


def heart(x: Tensor, y: Tensor) -> Tensor:
    """(a² + b² − 1)³ ≤ a² b³, scaled into the unit circle and upright where images count rows downwards."""
    a, b = 1.4 * x, 0.1 - 1.4 * y
    aa, bb = a * a, b * b
    r = aa + bb - 1
    return r * r * r <= aa * bb * b


SHAPES = {"square": square, "ellipse": ellipse, "heart": heart}
TURN = (math.pi / 2, math.pi, 2 * math.pi)
"""Angle after which each shape looks the same: orientations divide it, so that every combination is another image."""
RENDERED = 20_000
"""The most images that are rendered to compare them."""


class Renderings(Lazy):
    """Images (n, 1, size, size) of the factor values (n, 5), drawn on demand.

    A pixel's level counts how many of its k×k sample points the shape covers: 0..k² (k = 4 grey, 1 binary).
    """

    def __init__(self, factors: Tensor, values: tuple[tuple[float, ...], ...], size: int, samples: int) -> None:
        self.factors, self.values, self.size, self.samples = factors, values, size, samples
        self.shape = (len(factors), 1, size, size)
        self.made: Tensor | None = None

    def gather(self, index: Tensor) -> Tensor:
        if self.made is not None:
            return self.made[index]
        return torch.cat([self._render(self.factors[part]) for part in index.split(CHUNK)])

    def keys(self) -> Tensor | None:
        """Different by construction, but where a few pixels cannot show it: few images are rendered and compared."""
        if len(self) > RENDERED:
            return None
        if self.made is None:
            self.made = self.gather(torch.arange(len(self)))
        digests = (hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in self.made.numpy())
        return torch.tensor([int.from_bytes(digest, "little", signed=True) for digest in digests])

    def _render(self, factors: Tensor) -> Tensor:
        values = (torch.tensor(self.values[f], dtype=torch.float32)[factors[:, f]].view(-1, 1) for f in range(1, 5))
        scale, turn, *place = values
        angle = turn * torch.tensor(TURN, dtype=torch.float32)[factors[:, 0]].view(-1, 1)
        k, size, n = self.samples, self.size, len(factors)
        # the centre moves where the largest sprite in any orientation stays inside the frame
        margin = RADIUS * max(self.values[1])
        across, down = (margin + (1 - 2 * margin) * p for p in place)
        window = min(size, math.ceil(2 * margin * size) + 1)  # pixels that a sprite can reach
        left, top = (((p - margin) * size).floor().clamp(0, size - window).long() for p in (across, down))
        fine = (torch.arange(window * k, dtype=torch.float32) + 0.5) / (size * k)
        u = ((left / size + fine - across) / (RADIUS * scale)).unsqueeze(1)
        v = ((top / size + fine - down) / (RADIUS * scale)).unsqueeze(2)
        c, s = angle.cos().unsqueeze(2), angle.sin().unsqueeze(2)
        x, y = c * u + s * v, c * v - s * u
        inside = torch.empty(x.shape, dtype=torch.bool)
        for number, shape in enumerate(SHAPES.values()):
            rows = (factors[:, 0] == number).nonzero().flatten()
            inside[rows] = shape(x[rows], y[rows])
        image = torch.zeros(n, size, size, dtype=torch.uint8)
        at = torch.arange(window)
        covered = inside.view(n, window, k, window, k).sum((2, 4), dtype=torch.uint8)
        image[torch.arange(n).view(-1, 1, 1), (top + at).unsqueeze(2), (left + at).unsqueeze(1)] = covered
        return image.unsqueeze(1)


@dataclass(frozen=True)
class Sprites(Source):
    """Three shapes × scales × orientations × x × y, rendered at `size`.

    Orientations divide the angle after which a shape looks the same: a quarter turn of the square, half a turn of the
    ellipse, a whole one of the heart. dSprites turns each by 2π, so that its squares stand there four times.
    dsprites: false renders; true is `DSprites`, a path `DSprites(path)`: for runs whose configs have it.
    """

    size: Count
    scales: Count
    orientations: Count
    positions: Count
    grey: bool
    dsprites: bool | str = False

    name = "sprites"

    def load(self) -> Arrays:
        if self.dsprites:
            return DSprites(self.dsprites if isinstance(self.dsprites, str) else None).load()
        if min(self.size, self.scales, self.orientations, self.positions) < 1:
            raise PushforwardError("sprites: size, scales, orientations and positions must be at least 1.")
        values = (
            tuple(float(k) for k in range(len(SHAPES))),
            tuple(torch.linspace(0.5, 1, self.scales).tolist()) if self.scales > 1 else (1.0,),
            tuple(k / self.orientations for k in range(self.orientations)),
            *(2 * (tuple(torch.linspace(0, 1, self.positions).tolist()) if self.positions > 1 else (0.5,),)),
        )
        factors = torch.cartesian_prod(*(torch.arange(len(v)) for v in values))
        x = Renderings(factors, values, self.size, samples=4 if self.grey else 1)
        return Arrays(
            train=Split(x, factors[:, 0].clone(), factors),
            test=None,
            levels=17 if self.grey else 2,
            n_classes=len(SHAPES),
            class_names=tuple(SHAPES),
            factor_names=DSprites.factor_names,
            factor_values=values,
        )
