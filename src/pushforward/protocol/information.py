"""What the bits of the data are: entropy of pixels and labels, and what compressors make of the same images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.metrics import compressors
from pushforward.metrics.histograms import PixelHistogram, label_entropy
from pushforward.protocol.features.base import digest
from pushforward.protocol.shared_numbers import cached
from pushforward.protocol.subject import Entries, NotApplicable, Subject

STREAM = 2**23
"""The most pixels that compressors are given, bytes; all of MNIST's test images are fewer."""
COUNTED = 10_000
"""Images whose levels are read at once."""


@dataclass(frozen=True)
class Information:
    """`pixel_entropy`, `independent_pixels` and compressors in bits/dim, `label_entropy` in bits: the data's, not the model's.

    They stand beside a likelihood's bits/dim and tell what those mean. per_image: also PNG and WebP, a file an image.
    """

    per_image: bool

    def __call__(self, subject: Subject) -> Entries:
        return {**self._pixels(subject), **_labels(subject)}

    def _pixels(self, subject: Subject) -> Entries:
        if not subject.spec.is_image:
            return {}
        names: tuple[str, ...] = ("pixel_entropy", "independent_pixels", "zlib", "lzma", "png", "webp")
        names += ("png_per_image", "webp_per_image") if self.per_image else ()
        try:
            found = counted(subject, subject.split).compute()
            x, levels = reference_images(subject)
        except NotApplicable as reason:
            return {name: subject.na(str(reason), "bits/dim", better=None) for name in names}
        card = {"levels": levels, "n": subject.size(subject.split)}
        entries = {
            "pixel_entropy": subject.number(
                found["marginal"], "bits/dim", better=None, pooled=found["pooled"],
                kind="plug-in entropy of each pixel's levels, mean over pixels; pooled: of all pixels together", **card,
            ),
            "independent_pixels": subject.number(
                independent_pixels(subject), "bits/dim", better=None, n_train=subject.size("train"),
                kind="code length under each pixel's levels in the training images, each counted ½ in advance", **card,
            ),
        }  # fmt: skip
        sizes = compressor_references(subject)
        if self.per_image:
            sizes |= compressors.bits_per_dim(x, levels, tools=("PNG per image", "WebP per image"))
        for name, value in sizes.items():
            column = name.lower().replace(" ", "_")
            if column in names:
                how = "a file an image" if column.endswith("per_image") else compressors.HOW
                entries[column] = subject.number(value, "bits/dim", better=None, kind=how, **{**card, "n": len(x)})
        return entries


def _labels(subject: Subject) -> Entries:
    """Entropy of the class labels, where there are any."""
    y = subject.labels()
    if y is None:
        return {}
    value, classes = label_entropy(y, unit="bits"), subject.spec.n_classes
    kind = "plug-in entropy of the classes' shares"
    return {"label_entropy": subject.number(value, "bits", better=None, kind=kind, n=len(y), classes=classes)}


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
    """How often each pixel of a split takes each level. Raises NotApplicable as `levels_of`."""

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
