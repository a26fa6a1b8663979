"""Figures of numbers: one against another over rows, quality over cost, and a number by model."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pushforward.errors import PushforwardError
from pushforward.report import comparability, frontier, point_labels
from pushforward.report.columns import chosen, headline
from pushforward.report.page.charts import COSTS
from pushforward.report.paper.settings import Drawn, Settings
from pushforward.report.paper.style import COLOURS, MARKS, legend, look, panels
from pushforward.report.table_layout import Row
from pushforward.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def frontier_of(rows: Sequence[Row], settings: Settings) -> Drawn:
    """Two numbers, rate and distortion where none are named: a point a row, joined where rows are values of a number."""
    return against(rows, settings, settings.columns or ("rate", "distortion"))


def cost(rows: Sequence[Row], settings: Settings) -> Drawn:
    """Quality over cost, on a scale of powers: by default the number that most runs are summed up by over training time."""
    runs = [run for row in rows for run in row.runs]
    pair = settings.columns or (most(runs, COSTS), usual(runs))
    return against(rows, settings, pair, "x" + settings.log.replace("x", ""))


def usual(runs: Sequence[Run]) -> str:
    """The number by which most runs are summed up."""
    return most(runs, [name for run in runs if (name := headline(run))])


def most(runs: Sequence[Run], names: Sequence[str]) -> str:
    """The name among these that most runs have a number of; of equals the first."""
    counts = {name: sum(run.value(name) is not None for run in runs) for name in names}
    best = max(counts, key=lambda name: counts[name], default="")
    if not best or not counts[best]:
        raise PushforwardError("none of these runs has numbers of cost and of quality; name two by --columns X,Y")
    return best


def against(rows: Sequence[Row], settings: Settings, pair: Sequence[str], log: str | None = None) -> Drawn:
    """Means over seeds with bars of ± one standard error; lines part by what beside `--rows` differs."""
    if len(pair) != 2:
        raise PushforwardError(
            f"--columns {','.join(pair)}: give two numbers with a comma between, such as rate,distortion"
        )
    (x, y), by, scale = pair, settings.by[0], settings.log if log is None else log
    runs = [run for row in rows for run in row.runs]
    both = [run for run in runs if run.value(x) is not None and run.value(y) is not None]
    frontier.check(runs, both, x, y, by, "--columns")
    lines = frontier.series(both, x, y, by, settings.names, "--columns")
    figure, [ax] = panels(1, settings.width, max(2.2, min(0.75 * settings.width, 3.6)), 1)
    for i, (name, points) in enumerate(lines.items()):
        joined = len(points) > 1 and all(isinstance(point.label, int | float) for point in points)
        own = {**look(i), "marker": MARKS[i % len(MARKS)]} | ({} if joined else {"linestyle": "none"})
        xs, ys = [p.x for p in points], [p.y for p in points]
        ax.plot(xs, ys, label=name or None, **own)
        ax.errorbar(
            xs, ys, xerr=[p.x_error for p in points], yerr=[p.y_error for p in points], fmt="none", ecolor=own["color"],
            elinewidth=0.7, capsize=1.5,
        )  # fmt: skip
    ax.set_xlabel(frontier.axis(both, x, settings.names), parse_math=False)
    ax.set_ylabel(frontier.axis(both, y, settings.names), parse_math=False)
    powers(
        ax, scale, {"x": [p.x for ps in lines.values() for p in ps], "y": [p.y for ps in lines.values() for p in ps]}
    )
    ax.margins(0.1)
    if len(lines) > 1:
        legend(figure, ax, settings.width)
    marks = [(frontier.text(p.label, settings.names), p.x, p.y) for points in lines.values() for p in points]
    lost = point_labels.place(figure, ax, marks, 7)
    counts = sorted({point.seeds for points in lines.values() for point in points})
    notes = [f"means over {' or '.join(map(str, counts))} seed{'s' * (counts[-1] > 1)}"]
    notes += ["bars: ± 1 standard error"] * (counts[-1] > 1)
    notes += [f"{len(runs) - len(both)} runs without these numbers left out"] * (len(runs) > len(both))
    notes += [f"no room for the names of {lost} points: --width two, or fewer --runs"] * (lost > 0)
    return Drawn(figure, notes)


def powers(ax: "Axes", log: str, values: Mapping[str, Sequence[float]]) -> None:
    """Set axes to a scale of powers. Raises PushforwardError where a number is not above 0."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in log:
        if min(values[axis]) <= 0:
            raise PushforwardError(f"--log {axis}: there are numbers that are not above 0")
        (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
        own = ax.xaxis if axis == "x" else ax.yaxis
        own.set_major_locator(LogLocator(subs=(1, 2, 5)))
        own.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        own.set_minor_formatter(NullFormatter())


def bars(rows: Sequence[Row], settings: Settings) -> Drawn:
    """A panel for each number: its mean for each row as a bar, each seed as a dot, the floor as a line."""
    runs = [run for row in rows for run in row.runs]
    names = chosen(runs, settings.columns or [usual(runs)])
    shown = [row for row in rows if any(run.value(name) is not None for name in names for run in row.runs)]
    if not shown:
        raise PushforwardError(
            f"no run has a number {', '.join(names)}: evaluate the runs, or name others by --columns"
        )
    for name in names:
        check_alike(name, [run for row in shown for run in row.runs if run.value(name) is not None])
    across = min(len(names), 2 if settings.width < 5 else 4)
    figure, axes = panels(len(names), settings.width, 0.45 + 0.17 * len(shown), across)
    places = np.arange(len(shown))
    for i, (ax, name) in enumerate(zip(axes, names, strict=True)):
        values = [[value for run in row.runs if (value := run.value(name)) is not None] for row in shown]
        there = [(place, own) for place, own in zip(places, values, strict=True) if own]
        ax.barh([p for p, _ in there], [float(np.mean(own)) for _, own in there], 0.68, color=COLOURS[4], linewidth=0)
        for place, own in there:
            if len(own) > 1:
                ax.plot(own, np.full(len(own), place), "o", color="0.15", markersize=2, linewidth=0, clip_on=False)
        for place in (place for place, own in zip(places, values, strict=True) if not own):
            ax.text(
                0.02, float(place), "n/a", transform=ax.get_yaxis_transform(), va="center", fontsize=6, color="0.45"
            )
        floors = [run.metrics[name]["card"].get("floor") for row in shown for run in row.runs if name in run.metrics]
        floors = [float(floor) for floor in floors if floor is not None]
        if floors:
            ax.axvline(float(np.mean(floors)), color=COLOURS[5], linestyle=(0, (3, 1.5)), linewidth=0.8)
        ax.set(yticks=places, ylim=(len(shown) - 0.5, -0.5))
        ax.set_yticklabels([row.title for row in shown] if i % across == 0 else [], parse_math=False)
        ax.tick_params(axis="y", length=0)
        entry = next(run.metrics[name] for row in shown for run in row.runs if name in run.metrics)
        arrow = {"lower": " ↓", "higher": " ↑"}.get(str(entry["card"].get("better")), "")
        unit = f" [{entry['unit']}]" if entry.get("unit") else ""
        ax.set_xlabel(f"{settings.names.get(name, name.replace('_', ' '))}{unit}{arrow}", parse_math=False)
        if "x" in settings.log:
            powers(ax, "x", {"x": [value for _, own in there for value in own]})
        else:
            ax.locator_params(axis="x", nbins=4)
    several = max(len(row.runs) for row in shown) > 1
    notes = ["bars: means over seeds; dots: seeds"] if several else ["one seed each"]
    notes += ["dashed: held-out images against training images, by the same measure"] if floors else []
    left = [row.title for row in rows if row not in shown]
    return Drawn(figure, [*notes, *([f"left out, without these numbers: {', '.join(left)}"] if left else [])])


def check_alike(name: str, runs: Sequence[Run]) -> None:
    """Raise PushforwardError where a number was not measured alike in all runs, or means several things."""
    of_models = [str(run.key("model")) for run in runs]
    for how, what in (
        (comparability.protocol, "was not measured alike"),
        (comparability.meaning, "means several things"),
    ):
        cards = [how(run.metrics[name]) for run in runs]
        if differ := comparability.differing(cards):
            raise PushforwardError(
                f"--columns {name}: it {what} in these runs: {comparability.grouped(differ[0], cards, of_models)}. "
                "Choose --runs that agree, or evaluate them alike"
            )
    if any(not math.isfinite(float(run.metrics[name]["value"])) for run in runs):
        raise PushforwardError(f"--columns {name}: a run's number is not finite")


KINDS = {"frontier": frontier_of, "cost": cost, "bars": bars}
