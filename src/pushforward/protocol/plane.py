"""The plane of a model's codes that is shown, and what it decodes to."""

from collections.abc import Callable
from typing import NamedTuple, Self

import torch
from torch import Tensor

MARGIN = 0.15
"""The share of the codes' range by which a map reaches beyond them on each side."""
AT_ONCE = 256
"""Images that are decoded at once."""


class Plane(NamedTuple):
    """Codes origin + a·directions[0] + b·directions[1], a and b from `low` to `high`, (2,) each.

    Of codes of two units all of them; of more, through their mean along their two principal directions.
    """

    origin: Tensor
    directions: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, codes: Tensor) -> Self:
        """The plane of codes (n, d)."""
        origin, directions = torch.zeros_like(codes[0]), torch.eye(2).to(codes)
        if codes.shape[1] != 2:
            origin = codes.mean(0)
            directions = torch.linalg.svd(codes - origin, full_matrices=False)[2][:2]
            # of the two signs of a direction the one in which its largest entry is positive
            largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
            directions = directions * largest.sign()
            directions = torch.nn.functional.pad(directions, (0, 0, 0, 2 - len(directions)))
        at = (codes - origin) @ directions.T
        low, high = at.amin(0), at.amax(0)
        high = torch.where(high > low, high, low + 1)
        return cls(origin, directions, low - MARGIN * (high - low), high + MARGIN * (high - low))

    @property
    def extent(self) -> Tensor:
        """left, right, bottom, top."""
        return torch.stack([self.low[0], self.high[0], self.low[1], self.high[1]])

    def coordinates(self, codes: Tensor) -> Tensor:
        """Places of codes (n, d) in the plane, (n, 2)."""
        return (codes - self.origin) @ self.directions.T

    def grid(self, side: int) -> Tensor:
        """Codes (side², d) at equal steps over the plane, row by row, rows upwards."""
        across, up = (torch.linspace(float(a), float(b), side) for a, b in zip(self.low, self.high, strict=True))
        places = torch.stack(torch.meshgrid(across, up, indexing="xy"), -1).flatten(0, 1).to(self.origin)
        return self.origin + places @ self.directions


def share_in_plane(codes: Tensor, plane: Plane) -> Tensor:
    """The share of the codes' variance that lies in the plane, ()."""
    whole = (codes - codes.mean(0)).square().sum()
    at = plane.coordinates(codes)
    return (at - at.mean(0)).square().sum() / whole.clamp(min=1e-30)


def as_bytes(decode: Callable[[Tensor], Tensor], codes: Tensor) -> Tensor:
    """Decoded images of codes (n, d), in [0, 1], as uint8 of 256 levels, (n, *shape), on the CPU; what is not finite is 0."""
    return torch.cat([bytes_of(decode(part)) for part in codes.split(AT_ONCE)])


def bytes_of(x: Tensor) -> Tensor:
    """Images in [0, 1] as uint8 on the CPU."""
    return (x.float().nan_to_num(0).clamp(0, 1) * 255).round().to(torch.uint8).cpu()
