"""Code lengths of images by real compressors, in bits per dimension, each verified by decoding."""

import io
import lzma
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from pushforward.errors import PushforwardError

WIDEST = 16383
"""Pixels on the longest side of a WebP image (RFC 9649)."""

HOW = (
    "zlib (level 9), lzma (preset 9): all images as one stream; "
    "PNG (level 9), WebP (lossless, method 4, quality 100): all images tiled into one sheet"
)
"""The way `bits_per_dim` runs each of them, for a card."""


TOOLS = ("zlib", "lzma", "PNG", "WebP")
"""The names shown; beside them there are "PNG per image" and "WebP per image", a file each."""


def bits_per_dim(x: UInt8[Tensor, "n c h w"], levels: int = 256, tools: Sequence[str] = TOOLS) -> dict[str, float]:
    """tool -> bits per dimension over all images: 8 · bytes / (n c h w).

    A small image's file is mostly header, and one image is little to learn from; so PNG and WebP are given all images as
    one sheet of tiles, as zlib and lzma are given one stream; "PNG per image" and "WebP per image" count a file each.
    Where levels is 2, eight pixels are handed over as one byte, and PNG stores one bit a pixel.

    Raises PushforwardError where there are no images, a level is out of range, or a tool is not known.
    """
    if x.numel() == 0:
        raise PushforwardError("compressors: no images to compress; give at least one.")
    if int(x.max()) >= levels:
        raise PushforwardError(
            f"compressors: a pixel has level {int(x.max())}, expected 0 … {levels - 1}; give levels."
        )
    x = x.cpu()
    return dict(_measured(x.numpy().tobytes(), tuple(x.shape), levels, tuple(tools)))


@lru_cache(maxsize=4)
def _measured(stream: bytes, shape: tuple[int, ...], levels: int, tools: tuple[str, ...]) -> dict[str, float]:
    """`bits_per_dim`, once for all runs on the same images that one process measures."""
    binary = levels == 2
    x = np.frombuffer(stream, np.uint8).reshape(shape)
    pictures = _pictures(x)
    stream = np.packbits(x).tobytes() if binary else stream
    jobs: dict[str, Callable[[], int]] = {
        "zlib": lambda: _streamed(stream, lambda b: zlib.compress(b, 9), zlib.decompress),
        "lzma": lambda: _streamed(stream, lambda b: lzma.compress(b, preset=9), lzma.decompress),
        "PNG": lambda: _filed(sheets(pictures), "PNG", binary),
        "WebP": lambda: _filed(sheets(pictures), "WEBP", binary),
        "PNG per image": lambda: _filed(pictures, "PNG", binary),
        "WebP per image": lambda: _filed(pictures, "WEBP", binary),
    }
    if unknown := set(tools) - set(jobs):
        raise PushforwardError(
            f"compressors: {', '.join(sorted(unknown))} is not known; choose from {', '.join(jobs)}."
        )
    with ThreadPoolExecutor(len(jobs)) as pool:  # all of them release the interpreter's lock
        sizes = {name: pool.submit(jobs[name]) for name in tools}
        return {name: 8 * size.result() / x.size for name, size in sizes.items()}


def sheets(pictures: "np.ndarray[Any, Any]") -> Iterator["np.ndarray[Any, Any]"]:
    """All pictures (n, h, w, c) as nearly square sheets of tiles, row by row; the last row's rest is a sheet of its own."""
    n, h, w, c = pictures.shape
    columns = max(1, min(math.isqrt(n), WIDEST // w))
    rows = max(1, min(n // columns, WIDEST // h))
    for start in range(0, n, rows * columns):
        part = pictures[start : start + rows * columns]
        whole = len(part) - len(part) % columns
        for tiles, wide in ((part[:whole], columns), (part[whole:], len(part) - whole)):
            if len(tiles):
                yield tiles.reshape(-1, wide, h, w, c).transpose(0, 2, 1, 3, 4).reshape(-1, wide * w, c)


def _pictures(x: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """(n, c, h, w) as what an image format takes: (n, h, w, 1 or 3); other numbers of channels become pictures each."""
    n, c, h, w = x.shape
    return x.transpose(0, 2, 3, 1) if c in (1, 3) else x.reshape(n * c, h, w, 1)


def _streamed(stream: bytes, pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]) -> int:
    packed = pack(stream)
    if unpack(packed) != stream:
        raise RuntimeError("a stream did not come back as it was")
    return len(packed)


def _filed(pictures: Iterable["np.ndarray[Any, Any]"], format: str, binary: bool) -> int:
    """Bytes of all pictures (h, w, c) as files of that format."""
    from PIL import Image

    total = 0
    for picture in pictures:
        picture = 255 * picture if binary else picture
        grey = picture.shape[2] == 1
        image = Image.fromarray(np.ascontiguousarray(picture[:, :, 0] if grey else picture))
        file = io.BytesIO()
        if format == "PNG":
            (image.convert("1", dither=Image.Dither.NONE) if binary and grey else image).save(
                file, "PNG", compress_level=9
            )
        else:
            image.save(file, "WEBP", lossless=True, method=4, quality=100)
        total += file.tell()
        back = np.asarray(Image.open(file).convert("L" if grey else "RGB"))
        if not np.array_equal(back, picture[:, :, 0] if grey else picture):
            raise RuntimeError(f"{format} did not give the image back as it was")
    return total
