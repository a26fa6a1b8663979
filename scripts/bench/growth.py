"""How costs grow: a step with replicas, batch and image size; the table with runs; metrics of samples with their number."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench.costs import CONV, FEATURES, SMALL, UNET, WIDE, compared, replicas, step, table
from pushforward.atomic_files import whole, write_whole
from pushforward.metrics.kernel import kernel_distance
from pushforward.metrics.manifold import precision_recall_density_coverage
from pushforward.metrics.sample import frechet_distance_of
from pushforward.report.plots import STYLE
from pushforward.report.terminal import console


@dataclass
class Curve:
    """Seconds against a size, under a name."""

    name: str
    sizes: Sequence[int]
    measure: Callable[[int], float]
    seconds: list[float] = field(default_factory=list)

    def run(self) -> "Curve":
        self.seconds = [self.measure(size) for size in self.sizes]
        return self


@dataclass
class Panel:
    """Curves over one axis. per: what the seconds are shown for each of, where they would grow with it anyway."""

    title: str
    axis: str
    unit: str
    scale: float
    curves: list[Curve]
    per_size: bool = False


def panels() -> list[Panel]:
    """What is measured: a few minutes on two cores."""
    batches, sizes = (16, 64, 256, 1024, 4096), (8, 16, 32, 64)
    features = (500, 1000, 2000, 5000, 10_000)
    return [
        Panel(
            "a step of replicas trained as one", "replicas", "ms a step and replica", 1e3,
            [Curve("MLP-VAE, digits", (1, 2, 4, 8, 16, 32, 64, 128), replicas)], per_size=True,
        ),
        Panel(
            "a step", "batch", "µs a step and image", 1e6,
            [
                Curve("MLP-VAE, 8×8", batches, partial(step, SMALL, 8)),
                Curve("MLP-VAE, 28×28", batches, partial(step, WIDE, 28)),
                Curve("conv-VAE, 28×28", batches[:3], partial(step, CONV, 28)),
            ],
            per_size=True,
        ),
        Panel(
            "a step, batch 16", "pixels a side", "ms a step", 1e3,
            [
                Curve("MLP-VAE 512", sizes, lambda side: step(WIDE, side, 16)),
                Curve("conv-VAE", sizes, lambda side: step(CONV, side, 16)),
                Curve("U-Net", sizes, lambda side: step(UNET, side, 16)),
            ],
        ),
        Panel("the table", "runs", "s", 1.0, [Curve("pushforward table", (10, 100, 1000), table)]),
        Panel(
            f"metrics of samples, {FEATURES} features", "images on each side", "s", 1.0,
            [
                Curve("Fréchet distance", features, partial(compared, frechet_distance_of)),
                Curve("kernel distance", features, partial(compared, kernel_distance)),
                Curve("precision, recall, density, coverage", features, partial(compared, precision_recall_density_coverage)),
            ],
        ),
    ]  # fmt: skip


def report(threads: int, folder: Path, file: Path | None = None, wanted: Sequence[Panel] | None = None) -> int:
    """Measures, writes `growth.json` (or `file`) and `growth.png` into `folder`. Returns the exit code."""
    torch.set_num_threads(threads)
    out, load = console(), os.getloadavg()[0]
    measured = list(wanted or panels())
    for panel in measured:
        for curve in panel.curves:
            curve.run()
            points = "  ".join(f"{n}: {y:.3g}" for n, y in zip(curve.sizes, shown(panel, curve), strict=True))
            out.print(f"{panel.title}, {panel.unit}, by {panel.axis}; {curve.name}:  {points}", soft_wrap=True)
    path = file or folder / "growth.json"
    found = [
        {
            "title": panel.title, "axis": panel.axis,
            "curves": {c.name: {"sizes": list(c.sizes), "seconds": c.seconds} for c in panel.curves},
        }
        for panel in measured
    ]  # fmt: skip
    about = {
        "threads": threads,
        "cores": os.cpu_count(),
        "load": [load, os.getloadavg()[0]],
        "torch": torch.__version__,
    }
    write_whole(path, json.dumps({**about, "panels": found}, indent=1) + "\n")
    out.print(f"{path}\n{draw(measured, folder / 'growth.png')}")
    return 0


def shown(panel: Panel, curve: Curve) -> list[float]:
    """A curve's values in the panel's unit."""
    parts = curve.sizes if panel.per_size else [1] * len(curve.sizes)
    return [panel.scale * seconds / n for seconds, n in zip(curve.seconds, parts, strict=True)]


def draw(measured: Sequence[Panel], path: Path) -> Path:
    """The panels side by side, both axes logarithmic."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    columns = min(3, len(measured))
    rows = -(-len(measured) // columns)
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(3.6 * columns, 2.7 * rows), dpi=130)
        FigureCanvasAgg(figure)
        axes: Any = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, panel in zip(axes, measured, strict=False):
            for curve, marker in zip(panel.curves, "os^D", strict=False):
                axis.plot(curve.sizes, shown(panel, curve), marker=marker, markersize=3.5, label=curve.name)
            axis.set(xscale="log", yscale="log", title=panel.title, xlabel=panel.axis, ylabel=panel.unit)
            sizes = sorted({size for curve in panel.curves for size in curve.sizes})
            axis.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=7)
            axis.minorticks_off()
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(lambda y, _: f"{y:,g}")
            axis.legend(fontsize=7)
        for axis in axes[len(measured) :]:
            axis.set_axis_off()
        with whole(path) as aside:
            figure.savefig(aside)
    return path
