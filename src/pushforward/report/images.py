"""Grids of images: pixels enlarged by whole numbers so that they stay pixels, thin gutters, labelled rows."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pushforward.atomic_files import whole
from pushforward.errors import PushforwardError

TILE = 48
"""A tile is enlarged to about this many pixels."""
GUTTER, GAP = 2, 8
"""Pixels between tiles, and between bands of rows that belong together."""
PAPER, INK = 255, 70


def pixels(x: np.ndarray) -> np.ndarray:
    """Images as uint8 (…, h, w) or (…, h, w, 3) from (…, c, h, w), floats in [0, 1] or uint8. NaN is black."""
    if x.ndim < 4 or x.shape[-3] not in (1, 3):
        raise PushforwardError(f"Images have shape (…, 1 or 3, h, w); these have {x.shape}.")
    if x.dtype != np.uint8:
        x = np.rint(np.nan_to_num(np.clip(x, 0, 1), nan=0.0) * 255).astype(np.uint8)
    return x[..., 0, :, :] if x.shape[-3] == 1 else np.moveaxis(x, -3, -1)


def strip(x: np.ndarray, tile: int = TILE) -> np.ndarray:
    """One row of images (n, c, h, w) side by side, as uint8 pixels."""
    tiles = pixels(x)
    scale = max(1, round(tile / max(tiles.shape[1:3])))
    tiles = tiles.repeat(scale, 1).repeat(scale, 2)
    n, h, w = tiles.shape[:3]
    row = np.full((h, n * (w + GUTTER) - GUTTER, *tiles.shape[3:]), PAPER, np.uint8)
    for i, image in enumerate(tiles):
        row[:, i * (w + GUTTER) : i * (w + GUTTER) + w] = image
    return row


def stack(rows: Sequence[np.ndarray], labels: Sequence[str] = (), band: int = 0) -> Image.Image:
    """Rows of pixels below each other; `labels` stand left of them; after every `band` rows there is a wider gap."""
    colour = any(row.ndim == 3 for row in rows)
    font = ImageFont.load_default(13)
    left = GAP + (math.ceil(max(font.getlength(text) for text in labels)) + GAP if labels else 0)
    tops, y = [], GAP
    for i, row in enumerate(rows):
        tops.append(y)
        y += row.shape[0] + (GAP if band and (i + 1) % band == 0 and i + 1 < len(rows) else GUTTER)
    size = (left + max(row.shape[1] for row in rows) + GAP, y - GUTTER + GAP)
    sheet = Image.new("RGB" if colour else "L", size, (PAPER,) * 3 if colour else PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (row, top) in enumerate(zip(rows, tops, strict=True)):
        sheet.paste(Image.fromarray(row), (left, top))
        if labels:
            ink = (INK,) * 3 if colour else INK
            draw.text((left - GAP, top + row.shape[0] // 2), labels[i], fill=ink, font=font, anchor="rm")
    return sheet


def grid(x: np.ndarray, most: int = 64) -> Image.Image:
    """The first `most` images of (n, c, h, w) in a square."""
    x = x[:most]
    columns = math.ceil(math.sqrt(len(x)))
    return stack([strip(x[i : i + columns]) for i in range(0, len(x), columns)])


def lines(x: np.ndarray, most: int = 12) -> Image.Image:
    """A row for each path: (rows, steps, c, h, w), as interpolations and traversals are."""
    return stack([strip(row) for row in x[:most]])


def beside(named: dict[str, np.ndarray], columns: int = 12, bands: int = 2) -> Image.Image:
    """The same images in several versions, {label: (n, c, h, w)}, below each other, in bands."""
    n = min(len(x) for x in named.values())
    starts = range(0, min(n, columns * bands), columns)
    rows = [strip(x[i : i + columns]) for i in starts for x in named.values()]
    return stack(rows, [*named] * len(starts), band=len(named))


def save(image: Image.Image, path: Path, limit: int | None = None) -> Path:
    """Writes a PNG whole; over `limit` bytes with 256, then 64 colours, then at half the size."""
    with whole(path) as aside:
        image.save(aside, optimize=limit is not None)
        for step in (256, 64, 0):
            if limit is None or aside.stat().st_size <= limit:
                break
            half = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
            (image.quantize(step) if step else half.quantize(64)).save(aside, optimize=True)
    return path
