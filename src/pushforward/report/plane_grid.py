"""Samples of many models over the true densities of the plane: a column for each model, a row for each distribution."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pushforward.report.images import GAP, GUTTER, INK, PAPER, save

TILE, ACROSS, TITLE = 88, 12, 16
"""Pixels of a panel's side, panels in a line, pixels of a line of text."""
DENSE, SAMPLE = np.array([158, 193, 222]), np.array([203, 88, 12])
"""Colours of the density's top and of a sample."""

Arrays = Mapping[str, np.ndarray]
Cells = Mapping[tuple[str, str], Arrays]
"""(model, distribution) → `points.npz` of a run: x (n, 2), log_density (h, w) and extent where it is known, data (n, 2)."""


def panel(arrays: Arrays) -> np.ndarray:
    """Samples over the density, or over the data where there is none, (TILE, TILE, 3), uint8."""
    data = arrays["data"]
    left, right, bottom, top = arrays.get(
        "extent", (*data.min(0)[:1], *data.max(0)[:1], *data.min(0)[1:], *data.max(0)[1:])
    )
    low, size = np.array([left, bottom]), np.array([right - left, top - bottom])
    shade = np.zeros((TILE, TILE))
    if "log_density" in arrays:
        p = np.exp(arrays["log_density"] - np.nanmax(arrays["log_density"]))
        rows, columns = (np.arange(TILE) * n // TILE for n in p.shape)
        shade = np.sqrt(p[np.ix_(rows, columns)])  # so that the edges of narrow modes are seen
    pixels = PAPER + shade[..., None] * (DENSE - PAPER)
    x = arrays["x"][np.isfinite(arrays["x"]).all(1)]
    at = np.floor((x - low) / size * TILE).astype(int)
    at = at[((at >= 0) & (at < TILE)).all(1)]
    pixels[at[:, 1], at[:, 0]] = SAMPLE
    return np.rint(pixels[::-1]).astype(np.uint8)


def draw(cells: Cells, models: Sequence[str], distributions: Sequence[str], out: Path, limit: int = 200_000) -> Path:
    """Write the picture, lines of `ACROSS` models one below the other. A pair without samples stays empty."""
    font = ImageFont.load_default(11)
    across = min(ACROSS, len(models))
    left = GAP + round(max(font.getlength(name) for name in distributions)) + GAP
    height = TITLE + len(distributions) * (TILE + GUTTER) + GAP
    lines = [models[i : i + across] for i in range(0, len(models), across)]
    sheet = Image.new("RGB", (left + across * (TILE + GUTTER) + GAP, GAP + len(lines) * height), (PAPER,) * 3)
    write = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        top = GAP + i * height
        for k, name in enumerate(distributions):
            write.text((left - GAP, top + TITLE + k * (TILE + GUTTER) + TILE // 2), name, (INK,) * 3, font, "rm")
        for j, model in enumerate(line):
            x = left + j * (TILE + GUTTER)
            write.text((x + TILE // 2, top + TITLE // 2), shortened(model, font), (INK,) * 3, font, "mm")
            for k, name in enumerate(distributions):
                if (model, name) in cells:
                    y = top + TITLE + k * (TILE + GUTTER)
                    sheet.paste(Image.fromarray(panel(cells[model, name])), (x, y))
                    write.rectangle((x, y, x + TILE - 1, y + TILE - 1), outline=(225,) * 3)
    return save(sheet, out, limit)


def shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, cut to a panel's width."""
    while font.getlength(text) > TILE:
        text = text.removesuffix("…")[:-1] + "…"
    return text
