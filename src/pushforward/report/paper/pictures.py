"""Figures of images: samples, reconstructions, ways between images, single units, steps from noise; rows with their names."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pushforward.errors import PushforwardError
from pushforward.report import images, plots
from pushforward.report.figures import Arrays
from pushforward.report.page.pictures import Kept, names
from pushforward.report.paper.rows import lacking
from pushforward.report.paper.settings import Drawn, Settings
from pushforward.report.paper.style import COLOURS, blank, panels, text_width
from pushforward.report.table_layout import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP, BAND, PAD = 0.02, 0.07, 0.06
"""Inches between rows, between groups of them, and beside their names."""
MOST = 3000
"""Points in a panel."""
SHARE = 0.12
"""Gutter between images by their width: of large images it is as wide as of small ones."""


class Strip(NamedTuple):
    """A row of images (n, c, h, w) with what stands left of it; `first` begins a group."""

    label: str
    x: np.ndarray
    first: bool = False


def sheet(strips: Sequence[Strip], width: float, most: int) -> "Figure":
    """Rows of images below each other, at one scale, pixels as squares; names beside them as text."""
    left = text_width([strip.label for strip in strips]) + 2 * PAD if any(strip.label for strip in strips) else 0.0
    if left > width / 2:
        raise PushforwardError(
            f"--width {width:g}: the names of rows take more than half of it; shorten them by --names"
        )
    across = min(most, max(len(strip.x) for strip in strips))
    tile = (width - left) / (across + (across - 1) * SHARE)
    heights = [tile * strip.x.shape[-2] / strip.x.shape[-1] for strip in strips]
    above = [0.0 if i == 0 else BAND if strip.first else GAP for i, strip in enumerate(strips)]
    height = sum(heights) + sum(above)
    figure, top = blank(width, height), height
    for strip, own, room in zip(strips, heights, above, strict=True):
        top -= room + own
        for i, image in enumerate(images.pixels(strip.x[:most])):
            ax = figure.add_axes(((left + i * tile * (1 + SHARE)) / width, top / height, tile / width, own / height))
            ax.imshow(enlarged(image), cmap="gray", vmin=0, vmax=255, aspect="auto", interpolation="none")
            ax.set_axis_off()
        figure.text(
            (left - PAD) / width, (top + own / 2) / height, strip.label, ha="right", va="center", parse_math=False
        )
    return figure


def enlarged(image: np.ndarray, least: int = 96) -> np.ndarray:
    """Pixels repeated, so that no reader of the file blends them."""
    times = max(1, round(least / max(image.shape[:2])))
    return image.repeat(times, 0).repeat(times, 1)


def samples(rows: Sequence[Row], settings: Settings) -> Drawn:
    """A row of samples for each model, real images first; several lines of a model that stands alone."""
    kept = Kept()
    if planes := _planes(rows, settings, kept):
        return planes
    strips, there = real(rows, kept), list[Row]()
    lines = settings.lines or (1 if len(rows) > 1 else 4)
    for row in rows:
        for name in names(row.runs, r"samples(_[a-z]\w*)?"):
            density = name.removeprefix("samples").strip("_").replace("_", " ")
            if found := kept.first(row, name, lambda a: _images(a["x"])):
                label = ", ".join(filter(None, (row.title, density)))
                strips += split(label, found[1], settings.images, lines)
                there += [row] * (row not in there)
    notes = lacking(rows, there, "arrays/samples.npz", kept)
    return Drawn(sheet(strips, settings.width, settings.images), [*notes, *first_seeds(there)])


def split(label: str, x: np.ndarray, n: int, lines: int) -> list[Strip]:
    """Images in lines of n, the first under the label; no line that is not full but the first."""
    whole = max(1, min(lines, len(x) // n))
    return [Strip(label if i == 0 else "", x[i * n : (i + 1) * n], i == 0 and whole > 1) for i in range(whole)]


def real(rows: Sequence[Row], kept: Kept) -> list[Strip]:
    """Real images, of the first run that keeps some; where rows are of several data sets, none."""
    if len({run.images for row in rows for run in row.runs}) > 1:
        return []
    for row in rows:
        if found := kept.first(row, "reconstructions", lambda a: _images(a["x"])):
            return [Strip("data", found[1])]
    return []


def reconstructions(rows: Sequence[Row], settings: Settings) -> Drawn:
    """Real images, what a model was shown of them where they were corrupted, and what each makes of them."""
    kept, strips, there = Kept(), list[Strip](), list[Row]()
    shown: np.ndarray | None = None
    for row in rows:
        found = kept.first(row, "reconstructions", lambda a: {k: _images(a[k]) for k in a if a[k].ndim == 4})
        if found is None or "reconstruction" not in found[1]:
            continue
        own = found[1]
        if shown is None or not np.array_equal(own["x"], shown):
            shown = own["x"]
            strips.append(Strip("data", shown, True))
        if "corrupted" in own:
            strips.append(Strip(f"{row.title}, shown", own["corrupted"]))
        strips.append(Strip(row.title, own["reconstruction"]))
        there.append(row)
    notes = lacking(rows, there, "arrays/reconstructions.npz of images", kept)
    return Drawn(sheet(strips, settings.width, settings.images), [*notes, *first_seeds(there)])


def interpolations(rows: Sequence[Row], settings: Settings) -> Drawn:
    """Ways between pairs of held-out images through the codes of each model."""
    return ways(rows, settings, "interpolation")


def traversals(rows: Sequence[Row], settings: Settings) -> Drawn:
    """What each model's decoder makes of one image's code as single units move."""
    return ways(rows, settings, "traversal")


def ways(rows: Sequence[Row], settings: Settings, name: str) -> Drawn:
    """Rows of `arrays/NAME.npz`, (rows, steps, c, h, w), under the name of each model."""
    kept, strips, there = Kept(), list[Strip](), list[Row]()
    for row in rows:
        if found := kept.first(row, name, lambda a: _rows(a["x"])):
            lines = found[1][: settings.lines or 3]
            strips += [
                Strip(row.title if i == 0 else "", thinned(x, settings.images), i == 0) for i, x in enumerate(lines)
            ]
            there.append(row)
    notes = lacking(rows, there, f"arrays/{name}.npz of images", kept)
    return Drawn(sheet(strips, settings.width, settings.images), [*notes, *first_seeds(there)])


def steps(rows: Sequence[Row], settings: Settings) -> Drawn:
    """Samples of each model at moments on their way from noise to images, noise at the left."""
    kept, strips, there = Kept(), list[Strip](), list[Row]()
    for row in rows:
        if found := kept.first(row, "trajectory", lambda a: _rows(a["x"])):
            lines = np.swapaxes(found[1], 0, 1)[: settings.lines or 2]
            strips += [
                Strip(row.title if i == 0 else "", thinned(x, settings.images), i == 0) for i, x in enumerate(lines)
            ]
            there.append(row)
    remedy = "; of models that sample in steps, pushforward evaluate RUN metrics=none writes it"
    notes = lacking(rows, there, "arrays/trajectory.npz", kept, remedy)
    return Drawn(sheet(strips, settings.width, settings.images), [*notes, *first_seeds(there)])


def thinned(x: np.ndarray, most: int) -> np.ndarray:
    """At most so many of a row's images, evenly, its ends among them."""
    return x[np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).round().astype(int))]


def _planes(rows: Sequence[Row], settings: Settings, kept: Kept) -> Drawn | None:
    """Samples in the plane over the true density, or over the data, a panel for each row; None of images."""
    found = [(row, kept.first(row, "points", _points)) for row in rows]
    shown = [(row, made[1]) for row, made in found if made]
    if not shown:
        return None
    across = min(len(shown), 6 if settings.width > 5 else 3)
    figure, axes = panels(len(shown), settings.width, settings.width / across + 0.05, across)
    for ax, (row, a) in zip(axes, shown, strict=True):
        data = a.get("data", a["x"])
        extent = plots.bounds(a, data)
        if "log_density" in a:
            # the root, so that the edges of narrow modes are seen
            shade = np.exp((a["log_density"] - np.nanmax(a["log_density"])) / 2)
            ax.imshow(
                shade,
                origin="lower",
                extent=extent,
                cmap="Blues",
                vmin=0,
                vmax=1.6,
                aspect="auto",
                interpolation="bilinear",
            )
        else:
            ax.scatter(*plots.columns(data[:MOST]), s=1.2, color="0.8", linewidths=0, rasterized=True)
        ax.scatter(*plots.columns(a["x"][:MOST]), s=1.2, color=COLOURS[5], linewidths=0, alpha=0.7, rasterized=True)
        ax.set_title(row.title, loc="center", parse_math=False)
        ax.set(xticks=[], yticks=[], xlim=extent[:2], ylim=extent[2:])
        ax.set_box_aspect(1)
        ax.spines[:].set(visible=True, linewidth=0.4, color="0.7")
    there = [row for row, _ in shown]
    return Drawn(figure, [*lacking(rows, there, "arrays/points.npz", kept), *first_seeds(there)])


def _points(a: Arrays) -> Arrays:
    """Arrays of points in the plane. Raises ValueError where these are none."""
    if a["x"].ndim != 2 or a["x"].shape[1] != 2:
        raise ValueError("no points in a plane")
    return a


def _images(x: np.ndarray) -> np.ndarray:
    """Images (n, c, h, w). Raises ValueError where these are none."""
    if x.ndim != 4 or not len(x):
        raise ValueError("no images")
    return x


def _rows(x: np.ndarray) -> np.ndarray:
    """Rows of images (rows, steps, c, h, w). Raises ValueError where these are none."""
    if x.ndim != 5 or not x.size:
        raise ValueError("no rows of images")
    return x


def first_seeds(rows: Sequence[Row]) -> list[str]:
    """A note where rows have several runs, of which one is shown."""
    return ["of several seeds the first that keeps the picture is shown"] if any(len(r.runs) > 1 for r in rows) else []


KINDS: dict[str, Callable[[Sequence[Row], Settings], Drawn]] = {
    "samples": samples,
    "reconstructions": reconstructions,
    "interpolations": interpolations,
    "traversals": traversals,
    "steps": steps,
}
