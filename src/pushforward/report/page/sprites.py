"""Sheets of many small images as one PNG each, written into the page as data URIs."""

import base64
import io
import math
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pushforward.report.images import pixels

TILE = 48
"""A tile of a strip is enlarged to about this many pixels."""
LARGEST = 64
"""Pixels of an image's side in the page, at the most: larger ones are made smaller."""
GUTTER = 2


class Sprite(NamedTuple):
    """One picture of `n` tiles of `width` by `height` pixels, `columns` in a row. gutter: pixels between them."""

    uri: str
    width: int
    height: int
    columns: int
    n: int
    gutter: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole sheet."""
        rows = math.ceil(self.n / self.columns)
        return (
            self.columns * (self.width + self.gutter) - self.gutter,
            rows * (self.height + self.gutter) - self.gutter,
        )

    def as_json(self) -> dict[str, Any]:
        return {**self._asdict(), "size": self.size}


def strip(x: np.ndarray, columns: int | None = None) -> Sprite:
    """Images (n, c, h, w) enlarged by a whole number, with clear gutters: all `columns` in a row, or in one row."""
    tiles = small(pixels(x))
    scale = max(1, round(TILE / max(tiles.shape[1:3])))
    return sheet(tiles.repeat(scale, 1).repeat(scale, 2), columns or len(tiles), GUTTER)


def tiles(x: np.ndarray, columns: int) -> Sprite:
    """Images (n, c, h, w) at their own size, edge to edge, for a script to cut out, on every fourth of 256 levels."""
    return sheet(small(pixels(x)) & 0xFC, columns)


def small(x: np.ndarray, largest: int = LARGEST) -> np.ndarray:
    """Pixels (n, h, w) or (n, h, w, 3), made smaller where a side has more than `largest`."""
    high, wide = x.shape[1:3]
    if max(high, wide) <= largest:
        return x
    share = largest / max(high, wide)
    size = max(1, round(wide * share)), max(1, round(high * share))
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)) for image in x])


def sheet(x: np.ndarray, columns: int, gutter: int = 0) -> Sprite:
    n, high, wide = x.shape[:3]
    made = Sprite("", wide, high, columns, n, gutter)
    across, up = made.size
    picture = np.zeros((up, across, *x.shape[3:]), np.uint8)
    clear = np.zeros((up, across, 1), np.uint8)
    for i, image in enumerate(x):
        top, left = i // columns * (high + gutter), i % columns * (wide + gutter)
        picture[top : top + high, left : left + wide] = image
        clear[top : top + high, left : left + wide] = 255
    if gutter:
        picture = np.concatenate((picture.reshape(up, across, -1), clear), -1)
    return made._replace(uri=uri(Image.fromarray(picture)))


def uri(image: Image.Image) -> str:
    """A picture as a data URI."""
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
