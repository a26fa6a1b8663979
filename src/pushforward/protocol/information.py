"""What the data's own bits are: entropy of pixels and labels, and what compressors make of the same images."""

from typing import Any

import torch
from torch import Tensor

from pushforward.metrics import compressors
from pushforward.protocol.subject import NotApplicable, Subject

STREAM = 2**23
"""The most pixels that compressors are given, bytes; all of MNIST's test images are fewer."""


def levels_of(subject: Subject, split: str | None = None, n: int | None = None) -> tuple[Tensor, int]:
    """Levels (n, c, h, w), uint8, that the model's bits are bits of, binarised where its data are; and how many there are.

    Raises NotApplicable where the data have none, or are no images.
    """
    split, spec = split or subject.split, subject.spec
    if spec.levels is None or not spec.is_image:
        raise NotApplicable("real-valued data have no levels to code")
    if subject.data.card["binarize"] is None:
        return _raw(subject, split)[subject.rows(split, n)], spec.levels
    x = subject.x(split, n)
    # dequantised: (k + u)/2 with u in [0, 1)
    return (x >= 0.5).to(torch.uint8), 2


def compressor_references(subject: Subject) -> dict[str, float]:
    """Bits per dimension of the same images under zlib, lzma, PNG, WebP (`compressors.HOW`), empty where there are no levels.

    Of a split of more than 8 million pixels, so many are given.
    """
    try:
        x, levels = reference_images(subject)
    except NotApplicable:
        return {}
    return dict(subject.once("compressors", lambda: compressors.bits_per_dim(x, levels)))


def reference_images(subject: Subject) -> tuple[Tensor, int]:
    """The images that compressors are given, and how many levels they have. Raises NotApplicable as `levels_of`."""
    return levels_of(subject, n=max(1, STREAM // subject.spec.dim))


def _raw(subject: Subject, split: str) -> Any:
    return subject.once(("levels", split), lambda: subject.data.raw_levels(split))
