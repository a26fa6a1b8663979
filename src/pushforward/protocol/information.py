"""Bits of the data: entropy of pixels and labels, and code lengths of the same images by compressors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.metrics import compressors
from pushforward.metrics.histograms import PixelHistogram, label_entropy
from pushforward.protocol.features.base import digest
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.shared_numbers import cached
from pushforward.protocol.subject import NotApplicable, Subject

STREAM = 2**23
"""The most pixels that compressors are given, bytes; all of MNIST's test images are fewer."""
COUNTED = 10_000
"""Images whose levels are read at once."""


@dataclass(frozen=True)
class Information(Measure):
    """`pixel_entropy`, `independent_pixels` and compressors in bits/dim, `label_entropy` in bits: the data's, not the model's.

    They stand beside a likelihood's bits/dim and tell what those mean. per_image: also PNG and WebP, a file an image.
    """

    order = 140
    of_images = True
    per_image: bool

    def numbers(self, subject: Subject) -> Sequence[Number]:
        of_pixels: tuple[str, ...] = ("pixel_entropy", "independent_pixels", "zlib", "lzma", "png", "webp")
        of_pixels += ("png_per_image", "webp_per_image") if self.per_image else ()
        pixels = [Number(name, "bits/dim") for name in of_pixels] if subject.spec.is_image else []
        return [*pixels, *([] if subject.labels() is None else [Number("label_entropy", "bits")])]

    def values(self, subject: Subject) -> dict[str, Value | NotApplicable]:
        values: dict[str, Value | NotApplicable] = {}
        numbers = [number.name for number in self.numbers(subject)]
        if (y := subject.labels()) is not None:
            kind, classes = "plug-in entropy of the classes' shares", subject.spec.n_classes
            values["label_entropy"] = value(label_entropy(y, unit="bits"), kind=kind, n=len(y), classes=classes)
        if subject.spec.is_image:
            try:
                values |= {name: found for name, found in self.pixels(subject).items() if name in numbers}
            except NotApplicable as reason:
                values |= {name: reason for name in numbers if name not in values}
        return values

    def pixels(self, subject: Subject) -> dict[str, Value]:
        """Entropies and code lengths of the images. Raises NotApplicable where they have no levels."""
        entropies = counted(subject, subject.split).compute()
        x, levels = reference_images(subject)
        card = {"levels": levels, "n": subject.size(subject.split)}
        plug_in = "plug-in entropy of each pixel's levels, mean over pixels; pooled: of all pixels together"
        learnt = "code length under each pixel's levels in the training images, each counted ½ in advance"
        values = {
            "pixel_entropy": value(entropies["marginal"], pooled=entropies["pooled"], kind=plug_in, **card),
            "independent_pixels": value(
                independent_pixels(subject), n_train=subject.size("train"), kind=learnt, **card
            ),
        }
        sizes = compressor_references(subject)
        if self.per_image:
            sizes |= compressors.bits_per_dim(x, levels, tools=("PNG per image", "WebP per image"))
        for name, size in sizes.items():
            column = name.lower().replace(" ", "_")
            how = "a file an image" if column.endswith("per_image") else compressors.HOW
            values.setdefault(column, value(size, kind=how, **{**card, "n": len(x)}))
        return values


def compressor_references(subject: Subject) -> dict[str, float]:
    """Bits per dimension of the same images under zlib, lzma, PNG, WebP and a code of independent pixels.

    How each is run: `compressors.HOW`, on so many images of the split as have 8 million pixels. The pixels' code is learnt
    from the training images; a compressor starts from nothing. Empty where the data have no levels, or are no images.
    """

    def measure() -> dict[str, float]:
        try:
            x, levels = reference_images(subject)
        except NotApplicable:
            return {}
        return {**compressed(x, levels), "independent pixels": independent_pixels(subject)}

    return dict(subject.once("compressor references", measure))


def compressed(x: Tensor, levels: int) -> dict[str, float]:
    """`compressors.bits_per_dim`, which takes a dozen seconds on MNIST: once for the same images."""
    about = {"levels": levels, "images": digest(str(tuple(x.shape)).encode(), x.numpy()), "how": compressors.HOW}
    return cached("compressors", about, lambda: compressors.bits_per_dim(x, levels))


def independent_pixels(subject: Subject) -> float:
    """Bits per dimension of the split under independent pixels, learnt from the training images. Raises NotApplicable."""
    return float(counted(subject, subject.split).code_length(counted(subject, "train")))


def counted(subject: Subject, split: str) -> PixelHistogram:
    """The frequency of each level at each pixel of a split. Raises NotApplicable as `levels_of`."""

    def count() -> PixelHistogram:
        x, levels = levels_of(subject, split)
        histogram = PixelHistogram(subject.spec.dim, levels)
        for part in x.split(COUNTED):
            histogram.update(part)
        return histogram

    return subject.once(("pixel levels counted", split), count)


def reference_images(subject: Subject) -> tuple[Tensor, int]:
    """The images that compressors are given, and how many levels they have. Raises NotApplicable as `levels_of`."""
    return levels_of(subject, n=max(1, STREAM // subject.spec.dim))


def levels_of(subject: Subject, split: str | None = None, n: int | None = None) -> tuple[Tensor, int]:
    """Levels (n, c, h, w), uint8, that the model's bits are bits of, binarised where its data are; and how many there are.

    Raises NotApplicable where the data have none, or are no images.
    """
    split, spec = split or subject.split, subject.spec
    if spec.levels is None or not spec.is_image:
        raise NotApplicable("real-valued data have no levels to code")
    if subject.data.card["binarize"] is not None:
        # as a 0 or 1, or dequantised as (k + u)/2 with u in [0, 1)
        return (subject.x(split, n) >= 0.5).to(torch.uint8), 2
    whole = subject.once(("levels", split), lambda: subject.data.raw_levels(split))
    return whole[subject.rows(split, n)], spec.levels
