"""One metric against another over runs, such as rate against distortion over β: means over seeds with error bars."""

import difflib
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pushforward.errors import PushforwardError
from pushforward.report import comparability, plots, point_labels
from pushforward.report.columns import value_order
from pushforward.report.table_form import display
from pushforward.runs import Run


class Point(NamedTuple):
    """Mean and standard error over seeds of both metrics at one value of what is varied; no error for one seed."""

    label: Any
    x: float
    y: float
    x_error: float
    y_error: float
    seeds: int


def draw(runs: Sequence[Run], x: str, y: str, by: str, path: Path, names: Mapping[str, str] | None = None) -> Path:
    """Metric `y` against metric `x`, a point for each value of the config key `by`, joined in its order where it is a number.

    Means over seeds with bars of ± one standard error. Where models, data sets or networks differ, each has a line.
    names: display names of metrics, of `by` and of what stands at points and lines.

    Raises PushforwardError where a metric is in no run, numbers were not measured alike, or runs of a point differ in
    more than their seed.
    """
    with_both = [run for run in runs if run.value(x) is not None and run.value(y) is not None]
    check(runs, with_both, x, y, by)
    names = names or {}
    lines = series(with_both, x, y, by, names)
    left_out = len(runs) - len(with_both)
    counts = sorted({point.seeds for points in lines.values() for point in points})
    over = " or ".join(map(str, counts)) + (" seeds" if counts[-1] > 1 else " seed")
    note = f"means over {over}" + ("; bars: ± 1 standard error" if counts[-1] > 1 else "")
    note += f"; {left_out} runs without these numbers left out" if left_out else ""
    with plots._styled():
        figure, (ax,) = plots._panels(1, 1, 4.8, 3.8)
        colours = _colours(len(lines))
        for (name, points), colour in zip(lines.items(), colours, strict=True):
            xs, ys = [p.x for p in points], [p.y for p in points]
            joined = len(points) > 1 and all(isinstance(p.label, int | float) for p in points)
            ax.plot(
                xs,
                ys,
                "o-" if joined else "o",
                color=colour,
                markersize=4,
                label=name or None,
            )
            ax.errorbar(
                xs,
                ys,
                xerr=[p.x_error for p in points],
                yerr=[p.y_error for p in points],
                fmt="none",
                ecolor=colour,
                elinewidth=0.9,
                capsize=2,
            )
        ax.set(xlabel=axis(with_both, x, names), ylabel=axis(with_both, y, names))
        ax.set_title(f"by {names.get(by, by)}")
        ax.margins(0.12)
        if any(lines):
            ax.legend()
        below = figure.supxlabel(note, fontsize=7, color="0.35")
        marks = [(text(p.label, names), p.x, p.y) for points in lines.values() for p in points]
        if lost := point_labels.place(figure, ax, marks):
            below.set_text(f"{note}; no room for {lost} labels")
        return plots._save(figure, path)


def series(
    runs: Sequence[Run], x: str, y: str, by: str, names: Mapping[str, str] | None = None, flag: str = "--plot"
) -> dict[str, list[Point]]:
    """The points of each line in the order of `by`; a line for each model, data set and network where these vary."""
    kinds = _kinds(runs, by)
    lines: dict[str, list[Point]] = {}
    for kind, own in comparability.partition(runs, lambda run: tuple(run.choices.get(key) for key in kinds)).items():
        groups = comparability.partition(own, lambda run: run.key(by))
        lines[" ".join(map(str, display(kind, names or {})))] = [
            _point(key, groups[key], x, y, by, flag) for key in sorted(groups, key=value_order(runs))
        ]
    return dict(sorted(lines.items()))


def _kinds(runs: Sequence[Run], by: str) -> list[str]:
    """The keys that part runs into lines."""
    return [
        key
        for key in ("model", "data", "network")
        if key != by.partition(".")[0] and len({run.choices.get(key) for run in runs}) > 1
    ]


def texts(runs: Sequence[Run], x: str, y: str, by: str) -> set[str]:
    """The labels of axes and lines of the plot that `draw` makes, display names aside."""
    with_both = [run for run in runs if run.value(x) is not None and run.value(y) is not None]
    return {x, y, *(str(run.choices.get(key)) for key in _kinds(with_both, by) for run in with_both)}


def _point(label: Any, runs: Sequence[Run], x: str, y: str, by: str, flag: str) -> Point:
    differ = [key for key in comparability.mixed(runs) if key != by]
    if differ:
        raise PushforwardError(
            f"{flag} {x},{y}: runs at {by}={label} differ in {', '.join(differ)} beside their seed; "
            f"filter them (such as {differ[0]}=…), or plot by {differ[0]}"
        )
    xs, ys = ([_number(run, metric) for run in runs] for metric in (x, y))
    return Point(label, statistics.fmean(xs), statistics.fmean(ys), _error(xs), _error(ys), len(runs))


def _error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def check(runs: Sequence[Run], with_both: Sequence[Run], x: str, y: str, by: str, flag: str = "--plot") -> None:
    """Raise PushforwardError where two numbers cannot stand over each other: in no run, or not measured alike.

    flag: the option by which they were named.
    """
    for metric in (x, y):
        if not any(run.value(metric) is not None for run in runs):
            known = sorted({name for run in runs for name in run.metrics if run.value(name) is not None})
            near = difflib.get_close_matches(metric, known, n=3) or known[:5]
            raise PushforwardError(
                f"{flag} {x},{y}: no run has a number {metric}. Nearest: {', '.join(near) or 'none'}"
            )
    if not with_both:
        raise PushforwardError(f"{flag} {x},{y}: no run has both; evaluate the runs with the measures of both")
    if all(run.key(by) is None for run in with_both):
        raise PushforwardError(f"{flag} {x},{y}: no run's config has {by}. Try model, data or weighting.beta")
    for metric in (x, y):
        cards = [comparability.protocol(run.metrics[metric]) for run in with_both]
        differ = [key for key in comparability.differing(cards) if key.split(".")[0] != "data" or by != "data"]
        if differ:
            raise PushforwardError(
                f"{flag} {x},{y}: {metric} was not measured alike in all runs: "
                f"{comparability.grouped(differ[0], cards, [str(run.key('model')) for run in with_both])}. Evaluate them alike"
            )
        meant = [comparability.meaning(run.metrics[metric]) for run in with_both]
        if others := comparability.differing(meant):
            raise PushforwardError(
                f"{flag} {x},{y}: {metric} means one thing for some of these runs and another for others: "
                f"{comparability.grouped(others[0], meant, [str(run.key('model')) for run in with_both])}. "
                "Choose --runs that agree"
            )


def _number(run: Run, metric: str) -> float:
    value = run.value(metric)
    assert value is not None
    return float(value)


def text(label: Any, names: Mapping[str, str]) -> str:
    (found,) = display((label,), names)
    return f"{found:g}" if isinstance(found, int | float) else str(found)


def axis(runs: Sequence[Run], metric: str, names: Mapping[str, str]) -> str:
    """A number's name with its unit."""
    unit = next((run.metrics[metric].get("unit") for run in runs if run.metrics[metric].get("unit")), "")
    name = names.get(metric, metric.replace("_", " "))
    return f"{name} [{unit}]" if unit else name


def _colours(n: int) -> list[Any]:
    from matplotlib import colormaps

    return [plots.BLUE, plots.ORANGE][:n] if n <= 2 else [colormaps["tab10"](i % 10) for i in range(n)]
