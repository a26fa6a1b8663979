"""Figures of latent spaces: maps of codes by class, and what the plane of codes decodes to."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pushforward.report import images
from pushforward.report.figures import Arrays
from pushforward.report.page.pictures import Kept
from pushforward.report.paper.pictures import enlarged, first_seeds, thinned
from pushforward.report.paper.rows import lacking
from pushforward.report.paper.settings import Drawn, Settings
from pushforward.report.paper.style import CLASSES, COLOURS, panels
from pushforward.report.table_layout import Row

REMEDY = "; pushforward evaluate RUN metrics=none writes it"
DROPS = (4.5, 2.0, 0.5)
"""Nats below a Gaussian's highest density at three, two and one standard deviations."""
MOST = 2000
"""Codes in a map."""


def latent(rows: Sequence[Row], settings: Settings) -> Drawn:
    """A map for each row: codes of held-out images by class, the number of each at its median."""
    kept = Kept()
    found = [(row, kept.first(row, "latent", codes) or kept.first(row, "plane", plane_codes)) for row in rows]
    shown = [(row, made[1]) for row, made in found if made]
    notes = lacking(rows, [row for row, _ in shown], "arrays/latent.npz", kept, REMEDY)
    figure, axes = square(len(shown), settings)
    for ax, (row, (z, y, dimensions)) in zip(axes, shown, strict=True):
        scatter(ax, z, y, 2.5 if len(shown) > 1 else 6)
        ax.set_title(row.title, loc="center", parse_math=False)
        name_axes(ax, dimensions)
        ax.set_aspect("equal", adjustable="datalim")
    wide = [f"{row.title}: two widest directions of {n}" for row, (_, _, n) in shown if n != 2]
    return Drawn(figure, [*notes, *wide, *first_seeds([row for row, _ in shown])])


def plane(rows: Sequence[Row], settings: Settings) -> Drawn:
    """For each row the images that the plane of its codes decodes to; contours of the prior's density where it has one."""
    kept = Kept()
    found = [(row, kept.first(row, "plane", decoded)) for row in rows]
    shown = [(row, made[1]) for row, made in found if made]
    notes = lacking(rows, [row for row, _ in shown], "arrays/plane.npz", kept, REMEDY)
    figure, axes = square(len(shown), settings)
    tiles = max(6, int(settings.width / min(len(shown), columns(settings)) / 0.17))
    for ax, (row, (x, extent, prior, dimensions)) in zip(axes, shown, strict=True):
        ax.imshow(mosaic(x, tiles), extent=extent, cmap="gray", vmin=0, vmax=255, aspect="auto", interpolation="none")
        if prior is not None:
            levels = [-drop for drop in DROPS if np.nanmin(prior) < -drop]
            if levels:
                ax.contour(prior, levels=levels, extent=extent, colors=COLOURS[1], linewidths=0.9, linestyles="solid")
        ax.set_title(row.title, loc="center", parse_math=False)
        name_axes(ax, dimensions)
    drawn = any(prior is not None for _, (_, _, prior, _) in shown)
    notes += ["contours: the prior's density at one, two and three standard deviations' drop"] if drawn else []
    return Drawn(figure, [*notes, *first_seeds([row for row, _ in shown])])


def columns(settings: Settings) -> int:
    return 4 if settings.width > 5 else 2


def square(count: int, settings: Settings) -> Any:
    """A figure of square panels."""
    across = math.ceil(count / math.ceil(count / columns(settings)))
    side = min(settings.width / across, 3.4)
    return panels(count, side * across, side + 0.05, across)


def name_axes(ax: Any, dimensions: int) -> None:
    """Names of a map's axes: units of a code of two, else principal directions."""
    first, second = ("$z_1$", "$z_2$") if dimensions == 2 else ("1st direction", "2nd direction")
    ax.set(xlabel=first, ylabel=second)
    ax.locator_params(nbins=4)


def scatter(ax: Any, z: np.ndarray, y: np.ndarray | None, size: float) -> None:
    """Codes by class, each class's number over its median; size: a dot's, square points."""
    from matplotlib.patheffects import withStroke

    if y is None:
        ax.scatter(z[:, 0], z[:, 1], s=size, color=COLOURS[0], linewidths=0, alpha=0.6, rasterized=True)
        return
    classes = np.unique(y)
    for i, c in enumerate(classes):
        own = z[y == c]
        ax.scatter(
            own[:, 0],
            own[:, 1],
            s=size,
            color=CLASSES[i % len(CLASSES)],
            linewidths=0,
            alpha=0.75,
            rasterized=len(z) > 1000,
        )
        if len(classes) <= 20:
            ax.text(
                *np.median(own, 0), f"{c:g}", fontsize=7, fontweight="bold", ha="center", va="center", color="0.1",
                path_effects=[withStroke(linewidth=1.8, foreground="white")], clip_on=True,
            )  # fmt: skip


def codes(a: Arrays) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Codes (n, 2), their labels, and of how many dimensions these are the widest directions."""
    return _finite(a["z"], a.get("y"), int(a.get("dimensions", 2)))


def plane_codes(a: Arrays) -> tuple[np.ndarray, np.ndarray | None, int]:
    return _finite(a["codes"], a.get("y"), int(a["dimensions"]))


def _finite(z: np.ndarray, y: np.ndarray | None, dimensions: int) -> tuple[np.ndarray, np.ndarray | None, int]:
    if z.ndim != 2 or z.shape[1] < 2 or not len(z):
        raise ValueError("no codes")
    z = z[:MOST, :2]
    there = np.isfinite(z).all(1)
    return z[there], None if y is None else np.asarray(y)[: len(z)][there], dimensions


def decoded(a: Arrays) -> tuple[np.ndarray, tuple[float, ...], np.ndarray | None, int]:
    """Tiles (side, side, c, h, w), rows upwards, their extent, and the prior's log-density less its highest."""
    x, extent = a["x"], a["extent"]
    if x.ndim != 5 or extent.shape != (4,) or not np.isfinite(extent).all():
        raise ValueError("no plane")
    prior = a.get("log_prior")
    return x, tuple(map(float, extent)), None if prior is None else prior - np.nanmax(prior), int(a["dimensions"])


def mosaic(x: np.ndarray, most: int) -> np.ndarray:
    """At most so many tiles a side, evenly, as one picture, upwards."""
    x = np.swapaxes(thinned(np.swapaxes(thinned(x, most), 0, 1), most), 0, 1)
    tiles = images.pixels(x[::-1])  # a picture's rows go down
    return np.concatenate([np.concatenate([enlarged(tile, 32) for tile in row], 1) for row in tiles], 0)


KINDS = {"latent": latent, "plane": plane}
