"""Augmentation of training images: mirrored and shifted by noise that is an argument, as they are read."""

import torch
from torch import Generator, Tensor

from pushforward.augmentation import translate
from pushforward.domains import Natural, Share
from pushforward.errors import PushforwardError


class FlipAndCrop:
    """A share `flip` of the images is mirrored, left to right; then each is cropped at random out of itself with a border.

    pad: pixels of that border, which has level 0, on each side: He et al. 2016, sec. 4.2, have flip 0.5 and pad 4.
    """

    def __init__(self, flip: Share, pad: Natural) -> None:
        self.flip, self.pad = flip, pad

    def check(self, name: str, shape: tuple[int, ...], bounded: bool) -> None:
        """Raise PushforwardError for what is no image, and for a border that is as large as the image."""
        if len(shape) != 3 or not bounded:
            raise PushforwardError(f"{name} has points, not images: data.augmentation must be null.")
        if self.pad >= min(shape[1:]):
            raise PushforwardError(
                f"data.augmentation.pad={self.pad}: images of {name} are {shape[1]}×{shape[2]} pixels; give less."
            )

    def draw(self, n: int, generator: Generator) -> Tensor:
        """Uniform on [0, 1), (n, 3): whether it is mirrored, its place downwards and to the right."""
        return torch.rand(n, 3, generator=generator, device=generator.device)

    def __call__(self, x: Tensor, noise: Tensor) -> Tensor:
        """Images (*batch, c, h, w) of any type as they are shown; noise: (*batch, 3)."""
        images, (mirrored, *places) = x.flatten(0, -4), noise.flatten(0, -2).T
        if self.flip:
            images = torch.where((mirrored < self.flip)[:, None, None, None], images.flip(-1), images)
        if self.pad:
            images = translate(images, *((u * (2 * self.pad + 1)).floor().long() - self.pad for u in places))
        return images.view(x.shape)
