"""The one style of figures for papers: sizes of one and of two columns, fonts, colours, and files by their suffix."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pushforward.atomic_files import whole
from pushforward.errors import PushforwardError
from pushforward.report.plots import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = {"one": 3.25, "two": 6.75}
"""Inches of a column, and of a page of two."""
NARROWEST, WIDEST = 1.5, 20.0
SUFFIXES = (".pdf", ".svg", ".png")
FONTS = {"sans": ["DejaVu Sans"], "serif": ["STIXGeneral"]}
"""Fonts that come with matplotlib; STIX looks like Times."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
"""Okabe & Ito 2008: told apart by the colour-blind; more lines take the next dashes and marks."""
CLASSES = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499", "#777777",
)  # fmt: skip
"""Tol's muted colours, for ten classes."""
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
MARKS = "osD^vP*"
SMALL: dict[Any, Any] = {
    **STYLE, "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5,
    "ytick.major.size": 2.5, "lines.linewidth": 1.1, "lines.markersize": 3.5, "legend.handlelength": 2.2,
    "legend.borderaxespad": 0.2, "axes.labelpad": 2.5, "axes.titlepad": 3,
    "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "pushforward",
}  # fmt: skip


def width_of(text: str) -> float:
    """Return the inches that `one`, `two` or a number means. Raises PushforwardError for anything else."""
    try:
        inches = WIDTHS[text] if text in WIDTHS else float(text)
    except ValueError:
        inches = math.nan
    if not NARROWEST <= inches <= WIDEST:
        raise PushforwardError(f"--width {text}: give one, two, or inches from {NARROWEST:g} to {WIDEST:g}")
    return inches


@contextmanager
def styled(font: str = "sans") -> Iterator[None]:
    """Draw in the style while this lasts; font: one of `FONTS`."""
    from matplotlib import rc_context

    own: dict[Any, Any] = {"mathtext.fontset": "stix" if font == "serif" else "dejavusans"}
    with rc_context({**SMALL, "font.family": FONTS[font], **own}):
        yield


def blank(width: float, height: float) -> "Figure":
    """An empty figure of so many inches; what is put on it has places of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="none")  # type: ignore[arg-type]
    FigureCanvasAgg(figure)
    return figure


def panels(count: int, width: float, height: float, across: int | None = None) -> "tuple[Figure, list[Axes]]":
    """A figure of `count` panels of so many inches' height; as many side by side as have 2 inches each, or `across`."""
    columns = min(count, across or max(1, round(width / 2.2)))
    rows = math.ceil(count / columns)
    figure = blank(width, rows * height)
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03)
    axes = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for ax in axes[count:]:
        ax.set_visible(False)
    return figure, axes[:count]


def look(i: int) -> dict[str, Any]:
    """Colour and dashes of the i-th line."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % len(DASHES)]}


def legend(figure: "Figure", ax: "Axes", width: float) -> None:
    """The legend of all panels below them, where there are several lines."""
    handles, labels = ax.get_legend_handles_labels()
    if len(labels) > 1:
        longest = max(map(len, labels))
        columns = max(1, min(len(labels), int(width / (0.5 + 0.06 * longest))))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, columnspacing=1.2)


def text_width(texts: Sequence[str]) -> float:
    """Inches of the longest text, in the style's own size."""
    figure = blank(1, 1)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    extents = [figure.text(0, 0, text, parse_math=False).get_window_extent(renderer) for text in texts]
    return float(max((extent.width for extent in extents), default=0)) / figure.dpi


def save(figure: "Figure", out: Path) -> Path:
    """Write a figure as its suffix says, whole; the same figure is the same file."""
    kind = out.suffix.lower().removeprefix(".")
    dated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
    with whole(out) as aside:
        figure.savefig(aside, format=kind, dpi=300, metadata=dated)
    return out
