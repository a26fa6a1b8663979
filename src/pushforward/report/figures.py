"""The pictures of a run, drawn from its `arrays/*.npz` and `metrics.csv` alone, and one picture of several runs."""

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pushforward.errors import PushforwardError
from pushforward.report import denoising_plot, gradients_plot, holes_plot, images, plane_grid, plots
from pushforward.report.columns import value_order
from pushforward.runs import Run

Arrays = dict[str, np.ndarray]


def samples(a: Arrays, out: Path, most: int = 64) -> Path:
    """The first `most` images x (n, c, h, w) in a grid, or all points x (n, d) in a plane."""
    return plots.clouds({"samples": a["x"]}, out) if a["x"].ndim == 2 else images.save(images.grid(a["x"], most), out)


def _reconstructions(a: Arrays, out: Path) -> Path:
    named = {"input": a["x"], "corrupted": a.get("corrupted"), "reconstruction": a["reconstruction"]}
    there = {label: x for label, x in named.items() if x is not None}
    if a["x"].ndim == 2:
        return plots.clouds(there, out)
    return images.save(images.beside(there), out)


def _paths(a: Arrays, out: Path) -> Path:
    return images.save(images.lines(a["x"]), out)


def _classes(a: Arrays, out: Path) -> Path:
    """A row of samples for each class, with its number."""
    return images.save(images.stack([images.strip(row) for row in a["x"]], [f"{k:g}" for k in a["y"]]), out)


def _latent(a: Arrays, out: Path) -> Path:
    return plots.latent(a["z"], a.get("y"), out, int(a.get("dimensions", 2)))


DRAW: dict[str, Callable[[Arrays, Path], Path]] = {
    "samples": samples,
    "classes": _classes,
    "reconstructions": _reconstructions,
    "interpolation": _paths,
    "traversal": _paths,
    "latent": _latent,
    "points": plots.points,
    "denoising": denoising_plot.draw,
    "holes": holes_plot.draw,
    "gradients": gradients_plot.draw,
}
"""Functions that draw `arrays/<name>.npz`; a name counts up to its first `_` or `-`: `samples_mixture`, `samples-001024`."""


DAMAGED = (
    OSError, ValueError, EOFError, BadZipFile, zlib.error, struct.error, KeyError, NotImplementedError, RuntimeError,
    MemoryError,
)  # fmt: skip
"""The exceptions of reading an archive of arrays where its bytes are not those that were written: each has a checksum."""


def load(path: Path) -> Arrays:
    try:
        with np.load(path) as file:
            return dict(file)
    except DAMAGED:
        raise PushforwardError(
            f"{path} is damaged; pushforward evaluate {path.parents[1].name} writes it anew"
        ) from None


def _kept(path: Path) -> np.ndarray | None:
    """The arrays that a run has kept to draw; None where that is damaged: its row is missing, and the others are drawn."""
    try:
        return load(path).get("x")
    except PushforwardError:
        return None


def draw(path: Path, out: Path) -> Path | None:
    """Draws one `.npz` file; None where its name is not one of `DRAW`."""
    kind = path.stem.replace("-", "_").partition("_")[0]
    return DRAW[kind](load(path), out) if kind in DRAW else None


def draw_all(run_path: Path | str, apart: Callable[[str], AbstractContextManager[Any]] = nullcontext) -> list[Path]:
    """Draws all of a run's arrays and its curves into `samples/*.png`; returns the paths.

    apart: what each picture is drawn within, given its name; it may take what one raises.
    """
    run, made = Run(run_path), list[Path | None]()
    for path in sorted(run.arrays.glob("*.npz")):
        with apart(path.stem):
            made.append(draw(path, run.samples / f"{path.stem}.png"))
    with apart("curves"):
        made.append(curves(run))
    return [path for path in made if path is not None]


def curves(run: Run) -> Path | None:
    """`samples/curves.png`; None where there is nothing to draw. `units` in the status says which terms are not nats."""
    samples = run.arrays / "samples.npz"
    dim = int(np.prod(load(samples)["x"].shape[1:])) if samples.is_file() else None
    return plots.curves(run.curves(), run.samples / "curves.png", run.status.get("units") or {}, dim)


def comparison(
    runs: Sequence[Run], out: Path | str, n: int = 12, limit: int = 200_000, names: Mapping[str, str] | None = None
) -> Path:
    """One picture: a labelled row of samples for each model, the data first; a PNG of at most `limit` bytes.

    A run's `samples.npz` is its row; each `samples_<prior>.npz` is a further one. Of several seeds the first is shown.
    Of points in the plane each run's `points.npz` is a panel: models are columns, distributions rows.
    names: display names of models.
    """
    rows: Arrays = {}
    for run in runs:
        source = run.arrays / "reconstructions.npz"
        if "data" not in rows and source.is_file() and (kept := _kept(source)) is not None:
            rows["data"] = kept
    order = value_order(runs)
    for run in sorted(runs, key=lambda run: (order(run.key("model")), run.id)):
        for path in sorted(run.arrays.glob("samples*.npz")):
            if "-" not in path.stem:  # samples-001024.npz shows a moment of training
                prior = path.stem.removeprefix("samples").lstrip("_")
                model = str(run.key("model") or run.id)
                label = (names or {}).get(model, model) + (f", {prior}" if prior else "")
                if label not in rows and (kept := _kept(path)) is not None:
                    rows[label] = kept
    if not rows and (cells := _in_the_plane(runs, names or {})):
        models = list(dict.fromkeys(model for model, _ in cells))
        return plane_grid.draw(cells, models, list(dict.fromkeys(name for _, name in cells)), Path(out), limit)
    if not rows or list(rows) == ["data"]:
        raise PushforwardError("No samples to compare: none of these runs has arrays/samples.npz.")
    if all(x.ndim == 2 for x in rows.values()):
        return plots.clouds(rows, Path(out))
    strips = {label: images.strip(x[:n]) for label, x in rows.items() if x.ndim == 4}
    sheet = images.stack(list(strips.values()), list(strips))
    return images.save(sheet, Path(out), limit)


def _in_the_plane(runs: Sequence[Run], names: Mapping[str, str]) -> dict[tuple[str, str], Arrays]:
    """Points of runs by the names of model and distribution, models in the order of tables; of several seeds the first."""
    order, cells = value_order(runs), dict[tuple[str, str], Arrays]()
    for run in sorted(runs, key=lambda run: (order(run.key("model")), run.id)):
        model, file = str(run.key("model") or run.id), run.arrays / "points.npz"
        key = names.get(model, model), str(run.key("data.source.name") or run.data)
        if key not in cells and file.is_file():
            cells[key] = load(file)
    return cells
