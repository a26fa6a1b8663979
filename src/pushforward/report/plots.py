"""Curves, latent maps and toy densities, by matplotlib without a display."""

import math
import operator
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pushforward.atomic_files import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.linewidth": 0.8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "xtick.color": "0.3",
    "ytick.color": "0.3",
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
BLUE, ORANGE = "#2b6ca3", "#d9822b"


def _panels(
    rows: int, columns: int, width: float = 3.2, height: float = 2.3, margins: tuple[float, ...] = ()
) -> "tuple[Figure, list[Axes]]":
    """A figure of equal panels of so many inches. margins: left, right, bottom, top of each, in inches; without them the
    layout is worked out from all labels, which takes longer than drawing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), dpi=130, layout="none" if margins else None)  # type: ignore[arg-type]
    FigureCanvasAgg(figure)  # no pyplot: no display, no global state, safe in threads
    axes = figure.subplots(rows, columns, squeeze=False)
    if margins:
        left, right, bottom, top = margins
        across, up = width - left - right, height - bottom - top
        figure.subplots_adjust(
            left=left / (width * columns), right=1 - right / (width * columns), wspace=(left + right) / across,
            bottom=bottom / (height * rows), top=1 - top / (height * rows), hspace=(bottom + top) / up,
        )  # fmt: skip
    return figure, list(np.atleast_1d(np.asarray(axes).ravel()))


def _save(figure: "Figure", path: Path) -> Path:
    with whole(path) as aside:
        figure.savefig(aside, pil_kwargs={"compress_level": 3})
    return path


def _styled() -> Any:
    from matplotlib import rc_context

    return rc_context(STYLE)  # type: ignore[arg-type]


def columns(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x and y of points (n, 2)."""
    return points[:, 0], points[:, 1]


def curves(
    columns: Mapping[str, np.ndarray], path: Path, units: Mapping[str, str], dim: int | None = None
) -> Path | None:
    """A panel for each term, training and validation together, against images seen.

    units: a term's unit by its name; nats where it says nothing of a term that is trained.
    dim: dimensions D of an image; with it rate and distortion have a second axis in bits per dimension, nats / (D ln 2).
    """
    from matplotlib.ticker import EngFormatter

    seen = columns.get("images_seen", np.array([]))
    terms = dict.fromkeys(name.partition("/")[2] for name in columns if name.partition("/")[0] in ("train", "val"))
    drawn = [t for t in terms if any(np.isfinite(columns.get(f"{s}/{t}", np.nan)).any() for s in ("train", "val"))]
    if "total" in drawn and np.array_equal(
        columns.get("val/criterion", []), columns.get("val/total", []), equal_nan=True
    ):
        drawn.remove("criterion")
    if not drawn:
        return None
    with _styled():
        across = min(3, len(drawn))
        figure, axes = _panels(math.ceil(len(drawn) / across), across, 3.5, 2.4, (0.78, 0.62, 0.46, 0.28))
        for ax, term in zip(axes, drawn, strict=False):
            for split, colour in (("train", BLUE), ("val", ORANGE)):
                y = columns.get(f"{split}/{term}")
                if y is None:
                    continue
                there = np.isfinite(y)
                mark = "." if there.sum() < 30 else None
                ax.plot(seen[there], y[there], color=colour, label=split, marker=mark, markersize=4)
            trained = f"train/{term}" in columns or term in ("total", "criterion")  # else a measure's, of whatever unit
            unit = units.get(term, "nats" if trained else "")
            ax.set_title(term)
            ax.set_ylabel(unit)
            ax.ticklabel_format(axis="y", useOffset=False)
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            ax.locator_params(axis="x", nbins=5)
            if (
                unit == "nats"
                and dim
                and term.rpartition("/")[2] in ("rate", "distortion", "reconstruction", "kl", "neg_elbo", "nll")
            ):
                bits = 1 / (dim * math.log(2))
                second = ax.secondary_yaxis(
                    "right", functions=(partial(operator.mul, bits), partial(operator.mul, 1 / bits))
                )
                second.set_ylabel("bits/dim")
        for ax in axes[len(drawn) :]:
            ax.set_visible(False)
        for ax in axes[max(0, len(drawn) - across) : len(drawn)]:
            ax.set_xlabel("images seen")
        first = axes[0]
        if len(first.get_lines()) > 1:
            first.legend()
        return _save(figure, path)


def latent(z: np.ndarray, y: np.ndarray | None, path: Path, dimensions: int = 2) -> Path:
    """The map of codes `z` (n, 2), coloured by the labels `y`; `dimensions`: of the codes whose widest directions z are."""
    with _styled():
        figure, (ax,) = _panels(1, 1, 4.9, 4.0, (0.7, 0.6, 0.45, 0.15))
        if y is None:
            ax.scatter(z[:, 0], z[:, 1], s=4, color=BLUE, linewidths=0, alpha=0.7)
        else:
            from matplotlib import colormaps

            classes = np.unique(y)
            palette = colormaps["tab10" if len(classes) <= 10 else "turbo"]
            for i, c in enumerate(classes):
                colour = palette(i) if len(classes) <= 10 else palette(i / len(classes))
                ax.scatter(*columns(z[y == c, :2]), s=5, color=colour, linewidths=0, alpha=0.8, label=f"{c:g}")
            if len(classes) <= 20:
                ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2.5, handletextpad=0.1)
        names = ("z₁", "z₂") if dimensions == 2 else (f"widest direction of {dimensions}", "second")
        ax.set(xlabel=names[0], ylabel=names[1])
        ax.set_aspect("equal", adjustable="datalim")
        return _save(figure, path)


def points(arrays: Mapping[str, np.ndarray], path: Path) -> Path:
    """2-D data beside the samples `x`, both over the true density where there is one, else the samples over the data.

    log_density: (height, width), rows upwards; extent: (left, right, bottom, top).
    """
    x, data, density = arrays["x"], arrays.get("data"), arrays.get("log_density")
    shown = {"data": data, "samples": x} if data is not None else {"samples": x}
    with _styled():
        figure, axes = _panels(1, len(shown), 3.2, 3.3)
        extent = bounds(arrays, data if data is not None else x)
        for ax, (title, cloud) in zip(axes, shown.items(), strict=True):
            if density is not None:
                p = np.exp(density - np.nanmax(density))
                ax.imshow(
                    p, origin="lower", extent=extent, cmap="Blues", vmax=1.6, aspect="auto", interpolation="bilinear"
                )
            elif title == "samples" and data is not None:
                ax.scatter(*columns(data[:3000]), s=3, color="0.82", linewidths=0)
            ax.scatter(
                *columns(cloud[:3000]), s=2.5, color=ORANGE if title == "samples" else "0.25", linewidths=0, alpha=0.6
            )
            ax.set_title(title)
            ax.set_xlim(extent[:2])
            ax.set_ylim(extent[2:])
            ax.set_aspect(_aspect(extent))
            ax.set_xlabel("$x_1$")
        axes[0].set_ylabel("$x_2$")
        return _save(figure, path)


def bounds(arrays: Mapping[str, np.ndarray], cloud: np.ndarray) -> tuple[float, float, float, float]:
    """Left, right, bottom and top: of the density where it is known, else around all points."""
    if "extent" in arrays:
        left, right, bottom, top = map(float, arrays["extent"])
        return left, right, bottom, top
    low, high = np.nanmin(cloud, 0), np.nanmax(cloud, 0)
    high = np.where(high > low, high, low + 1)  # a single point has a room around it
    (left, bottom), (right, top) = low - 0.1 * (high - low), high + 0.1 * (high - low)
    return left, right, bottom, top


def _aspect(extent: tuple[float, float, float, float]) -> Literal["equal", "auto"]:
    """Equal scales on both axes, but where one axis is many times as long: its units are others."""
    left, right, bottom, top = extent
    return "equal" if 1 / 3 < (right - left) / max(top - bottom, 1e-300) < 3 else "auto"


def clouds(named: Mapping[str, np.ndarray], path: Path) -> Path:
    """Several point sets {label: (n, d)} in one picture, a panel each, on the axes of the first; see `in_a_plane`."""
    with _styled():
        across = min(6, len(named))
        figure, axes = _panels(math.ceil(len(named) / across), across, 1.6, 1.8)
        flat = in_a_plane(named)
        extent = bounds({}, next(iter(flat.values())))
        for ax in axes[len(named) :]:
            ax.set_visible(False)
        for ax, (label, cloud) in zip(axes, flat.items(), strict=False):
            ax.scatter(*columns(cloud[:1500]), s=1.5, color=BLUE, linewidths=0, alpha=0.6)
            ax.set(title=label, xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[])
            ax.set_aspect(_aspect(extent) if next(iter(named.values())).shape[1] > 1 else "auto")
        return _save(figure, path)


def in_a_plane(named: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Point sets (n, d) as (n, 2): of more dimensions the two principal directions of the first set, which all share; of
    one dimension each point against the share of points below it."""
    first = next(iter(named.values()))
    if first.shape[1] == 2:
        return dict(named)
    if first.shape[1] == 1:
        return {
            label: np.column_stack((np.sort(x[:, 0]), np.linspace(0, 1, len(x), endpoint=False)))
            for label, x in named.items()
        }
    centre = first.mean(0)
    across = np.linalg.svd(first - centre, full_matrices=False)[2][:2]
    across = np.pad(across, ((0, 2 - len(across)), (0, 0)))  # a single point has one direction at the most
    return {label: (x - centre) @ across.T for label, x in named.items()}
