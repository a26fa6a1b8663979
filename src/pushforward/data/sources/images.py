"""Reading one image file: supported formats, the header, and pixels as levels from 0 to 255."""

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pushforward.errors import PushforwardError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"))
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Formats that are opened, by content: a file of another format with such a suffix reaches no other decoder."""
GREY = frozenset(("1", "L", "LA", "La", "I", "F"))
MOST_PIXELS = 100_000_000
"""Pixels from which on a file is taken for a decompression bomb."""
DARK = 1 / 8
"""A brightest value below this share of its range is asked about: masks of 0 and 1 in 8 bits would be black."""
LOOKED_AT = 100
"""Files whose pixels are looked at before training."""

Background = Literal["white", "black"]
Range = tuple[float, float]


class Encoded(NamedTuple):
    """An image file's content, and what errors call it."""

    name: str
    content: bytes


class Header(NamedTuple):
    """A file's header, read before its pixels are decoded."""

    grey: bool
    width: int
    height: int
    alpha: bool
    frames: int
    cmyk: bool


class Extent(NamedTuple):
    """The values that a file's pixels take; `whole`: what they would reach at most in a file of this kind."""

    low: float
    high: float
    whole: float


@contextmanager
def opened(file: Path | Encoded) -> Iterator["Image"]:
    """The image in a file. Raises PushforwardError that names the file, also for what is done with the image inside."""
    import warnings

    from PIL import Image

    warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters is an error, and names the file
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    try:
        if isinstance(file, Path) and not stat.S_ISREG(file.stat().st_mode):
            raise ValueError("neither a file nor a link to one")
        with Image.open(file if isinstance(file, Path) else io.BytesIO(file.content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width}×{image.height} pixels, more than {MOST_PIXELS:,}")
            yield image
    except Exception as error:
        path = file if isinstance(file, Path) else file.name
        raise PushforwardError(f"{path} cannot be read as an image ({_cause(error)}): replace or remove it.") from error


def _cause(error: Exception) -> str:
    if "cannot identify" in str(error):
        return f"not {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    if isinstance(error, FileNotFoundError):
        return "a link to nothing"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]


def header(file: Path | Encoded) -> Header:
    with opened(file) as image:
        many = image.format in ("GIF", "TIFF", "WEBP", "PNG")
        return Header(
            grey=image.mode in GREY or image.mode.startswith("I;"),
            width=image.width,
            height=image.height,
            alpha=_has_alpha(image),
            frames=getattr(image, "n_frames", 1) if many else 1,
            cmyk=image.mode == "CMYK",
        )


def _has_alpha(image: "Image") -> bool:
    return not _deep(image) and (image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info)


def _deep(image: "Image") -> bool:
    """Whether the values are more than 8 bits wide."""
    return image.mode.startswith("I") or image.mode == "F"


def _values(image: "Image") -> tuple[NDArray, float]:
    """The finite values of an image of more than 8 bits, and what they reach at most: 65535 of integers, 1 of floats."""
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise ValueError("it holds NaN or infinite values")
    return values.astype(np.float64), 1.0 if image.mode == "F" else 65535.0


def extent(path: Path) -> Extent | None:
    """The values of a file's first frame as it stores them; None of a palette's and of two-valued images."""
    with opened(path) as image:
        if image.mode in ("1", "P", "PA"):
            return None
        if _deep(image):
            values, whole = _values(image)
            return Extent(float(values.min()), float(values.max()), whole)
        pixels = np.asarray(image.convert("L" if image.mode in GREY else "RGB"))
        return Extent(float(pixels.min()), float(pixels.max()), 255.0)


def read(
    file: Path | Encoded,
    size: int,
    grey: bool,
    limits: Range | None = None,
    background: Background = "white",
    crop: int | None = None,
) -> Tensor:
    """The image as uint8 (c, size, size): its first frame, upright, its central square, resized with antialiasing.

    crop: side of that square in pixels; None: the largest there is. limits: the values that become 0 and 255; None: 0 and
    255, of 16-bit images 0 and 65535 (the high byte is kept), of floats 0 and 1. background: what alpha is laid over.
    """
    from PIL import Image, ImageOps

    with opened(file) as image:
        upright = ImageOps.exif_transpose(image)
        if _deep(upright):
            values, whole = _values(upright)
            scaled = Image.fromarray(to_levels(values, limits, whole))
        else:
            if _has_alpha(upright):
                under = Image.new("RGBA", upright.size, background)
                upright = Image.alpha_composite(under, upright.convert("RGBA"))
            scaled = upright.convert("L" if grey else "RGB")
            if limits not in (None, (0, 255)) and image.mode != "1":
                scaled = Image.fromarray(to_levels(np.asarray(scaled).astype(np.float64), limits, 255.0))
        if crop is not None:
            left, top = (scaled.width - crop) // 2, (scaled.height - crop) // 2
            scaled = scaled.crop((left, top, left + crop, top + crop))
        square = ImageOps.fit(scaled.convert("L" if grey else "RGB"), (size, size), method=Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.asarray(square).copy())
    return pixels.unsqueeze(0) if grey else pixels.permute(2, 0, 1)


def to_levels(values: NDArray, limits: Range | None, whole: float) -> NDArray[np.uint8]:
    """Values as levels 0..255. Raises ValueError where one lies outside of the limits."""
    low, high = limits or (0.0, whole)
    if values.min() < low or values.max() > high:
        raise ValueError(
            f"its values run from {values.min():g} to {values.max():g}, not within [{low:g}, {high:g}]; "
            f"data.source.range=[LOW,HIGH] says what is black and white"
        )
    if limits is None and whole == 65535:
        return (values.astype(np.uint32) >> 8).astype(np.uint8)
    return np.rint((values - low) * (255 / (high - low))).astype(np.uint8)
