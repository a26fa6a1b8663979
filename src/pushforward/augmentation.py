"""Differentiable augmentations of images, by noise that they draw themselves. Zhao et al. 2020 (DiffAugment)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pushforward.domains import Share
from pushforward.errors import PushforwardError
from pushforward.spec import DataSpec

KINDS = ("colour", "translation", "cutout")


class Augmentation(nn.Module):
    """Brightness, saturation and contrast; shifts by up to `shift` of the side; a square of `hole` of the side set to 0.

    kinds: which of colour, translation and cutout, in this order. A function of images in [−1, 1] and of uniform noise.
    """

    def __init__(self, kinds: Sequence[str], shift: Share, hole: Share, *, spec: DataSpec) -> None:
        super().__init__()
        if unknown := [kind for kind in kinds if kind not in KINDS]:
            raise PushforwardError(f"model.augment.kinds: {unknown[0]} is not known; choose from {', '.join(KINDS)}")
        if not spec.is_image:
            raise PushforwardError("model.augment: these data are points, not images; take it out: model.augment=null")
        self.kinds, self.shift, self.hole = tuple(kinds), shift, hole

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Uniform on [0, 1): three of colour, two places of translation, two of the hole, (n, 7)."""
        return torch.rand(n, 7, generator=generator, device=generator.device)

    def forward(self, x: Float[Tensor, "n c h w"], noise: Float[Tensor, "n 7"]) -> Float[Tensor, "n c h w"]:
        brightness, saturation, contrast, *places = noise.to(x).T
        if "colour" in self.kinds:
            x = x + rows(brightness - 0.5)
            x = (x - x.mean(1, keepdim=True)) * rows(2 * saturation) + x.mean(1, keepdim=True)
            mean = x.mean((1, 2, 3), keepdim=True)
            x = (x - mean) * rows(contrast + 0.5) + mean
        if "translation" in self.kinds:
            x = translate(x, *(self.offsets(u, side) for u, side in zip(places[:2], x.shape[2:], strict=True)))
        if "cutout" in self.kinds:
            inside = [self.inside(u, side) for u, side in zip(places[2:], x.shape[2:], strict=True)]
            x = x * ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])
        return x

    def offsets(self, u: Tensor, side: int) -> Tensor:
        """Whole pixels from −shift·side to shift·side, uniform, (n,)."""
        most = int(self.shift * side + 0.5)
        return (u * (2 * most + 1)).floor().long().clamp(max=2 * most) - most

    def inside(self, u: Tensor, side: int) -> Tensor:
        """The pixels of a side within the hole, (n, side)."""
        size = int(self.hole * side + 0.5)
        start = (u * (side + 1 - size % 2)).floor() - size // 2
        at = torch.arange(side, device=u.device)
        return (at >= start[:, None]) & (at < start[:, None] + size)


def rows(u: Tensor) -> Tensor:
    return u[:, None, None, None]


def translate(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images moved by whole pixels, (n,) each; what comes in from outside is 0."""
    n, _, h, w = x.shape
    padded = F.pad(x, (1, 1, 1, 1))
    row = (torch.arange(h, device=x.device) - down[:, None] + 1).clamp(0, h + 1)
    column = (torch.arange(w, device=x.device) - right[:, None] + 1).clamp(0, w + 1)
    image = torch.arange(n, device=x.device)[:, None, None]
    return padded.movedim(1, -1)[image, row[:, :, None], column[:, None, :]].movedim(-1, 1)
