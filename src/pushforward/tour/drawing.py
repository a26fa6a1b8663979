"""Helpers of the tour's pictures: sheets of panels, images as ink on paper, numbers as words."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pushforward.report import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Arrays = Mapping[str, np.ndarray]
BLUE, ORANGE, GREEN, RED, GREY = plots.BLUE, plots.ORANGE, "#4d9056", "#b5413b", "0.45"
WIDTH = 9.6
"""Inches of every sheet: 1,250 pixels."""

save, styled = plots._save, plots._styled


def sheet(height: float, widths: Sequence[float]) -> "tuple[Figure, list[Axes]]":
    """A row of panels whose widths are in these proportions."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=130)
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, len(widths), width_ratios=list(widths), squeeze=False)[0])


def mosaic(x: np.ndarray, gutter: int = 1) -> np.ndarray:
    """Images (rows, columns, h, w) as one image, `gutter` pixels of paper (0) between them."""
    rows, columns, h, w = x.shape
    out = np.zeros((rows * (h + gutter) - gutter, columns * (w + gutter) - gutter))
    for r in range(rows):
        for c in range(columns):
            out[r * (h + gutter) : r * (h + gutter) + h, c * (w + gutter) : c * (w + gutter) + w] = x[r, c]
    return out


def ink(ax: "Axes", picture: np.ndarray, **how: Any) -> None:
    """An image (h, w), 1 as ink and 0 as paper, or (h, w, 3) as it is; without axes."""
    ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest", **how)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def write(ax: "Axes", text: str, xy: tuple[float, float], colour: Any = "0.25", **how: Any) -> Any:
    """Text at a point of the data, with a paper-coloured rim so that it reads over lines."""
    from matplotlib import patheffects

    rim = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    return ax.annotate(text, xy, color=colour, path_effects=rim, **({"fontsize": 8} | how))


def texts(values: np.ndarray) -> list[str]:
    return [str(value) for value in values]


def times(factor: float) -> str:
    """`3.4` or `1,200`: a factor with two digits that matter."""
    return f"{factor:.2g}" if factor < 100 else f"{float(f'{factor:.2g}'):,.0f}"
