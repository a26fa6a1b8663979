"""Charts of the page: curves over images seen with bands over seeds, and one number of each row against another."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pushforward.report.table_layout import Row, Table
from pushforward.runs import Run

POINTS = 120
"""Points of a curve, at the most."""


def curves(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each row, term and split: x, and the mean, lowest and highest of its seeds there."""
    found = []
    for row in (row for row in rows if not row.reference):
        runs = [run.curves() for run in row.runs]
        units = {key: unit for run in row.runs for key, unit in (run.status.get("units") or {}).items()}
        for name in dict.fromkeys(key for columns in runs for key in columns):
            split, _, term = name.partition("/")
            lines = [line for columns in runs if (line := _line(columns, name)) is not None]
            if split not in ("train", "val") or not term or not lines:
                continue
            if term == "criterion" and _equal(runs, "val/criterion", "val/total"):
                continue
            found.append({"row": row.title, "term": term, "split": split, "unit": units.get(term, ""), **band(lines)})
    return found


def _line(columns: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Images seen and a term's values, where there are any."""
    y = columns.get(name)
    if y is None or "images_seen" not in columns or not (there := np.isfinite(y)).any():
        return None
    return columns["images_seen"][there], y[there]


def _equal(runs: Sequence[dict[str, np.ndarray]], a: str, b: str) -> bool:
    return all(np.array_equal(run.get(a, np.array([])), run.get(b, np.array([])), equal_nan=True) for run in runs)


def band(lines: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, list[float]]:
    """Several curves as one: at points that all of them reach, `y` their mean, `low` and `high` the outermost."""
    start, end = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
    if start > end:  # seeds that share no stretch: the longest alone
        lines = [max(lines, key=lambda line: len(line[0]))]
        start, end = lines[0][0][0], lines[0][0][-1]
    x = np.unique(np.concatenate([x[(x >= start) & (x <= end)] for x, _ in lines]))
    x = x[np.unique(np.linspace(0, len(x) - 1, POINTS).round().astype(int))]
    y = np.stack([np.interp(x, *line) for line in lines])
    several = {"low": y.min(0), "high": y.max(0)} if len(lines) > 1 else {}
    return {key: [_short(v) for v in values] for key, values in {"x": x, "y": y.mean(0), **several}.items()}


def _short(value: float) -> float:
    """Five significant digits."""
    return float(f"{value:.5g}")


def points(table: Table) -> list[dict[str, Any]]:
    """For each row: the mean of every number that its runs have, and its standard error over seeds as `NAME ±`."""
    found = []
    for row in (row for row in table.rows if not row.reference):
        names = dict.fromkeys(name for run in row.runs for name in run.metrics)
        point: dict[str, Any] = {"row": row.title, "data": str(row.runs[0].images), "likelihood": _likelihood(row.runs)}
        for name in names:
            values = [value for run in row.runs if (value := run.value(name)) is not None]
            if values and all(map(math.isfinite, values)):
                point[name] = _short(float(np.mean(values)))
                if len(values) > 1:
                    point[f"{name} ±"] = _short(float(np.std(values, ddof=1)) / len(values) ** 0.5)
        found.append(point)
    return found


def _likelihood(runs: Sequence[Run]) -> str:
    """By what likelihood the row's nats are measured: those of others are no like numbers."""
    cards = [run.metrics[name]["card"] for run in runs for name in ("distortion", "nll") if name in run.metrics]
    return next((str(card["likelihood"]) for card in cards if card.get("likelihood")), "")


def axes(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """The unit and better direction of every number, by name, in the order of a table's columns."""
    from pushforward.report.columns import all_numbers, ordered

    entries = all_numbers(runs)
    return {
        name: {"unit": entries[name].get("unit") or "", "better": entries[name]["card"].get("better")}
        for name in ordered(entries)
    }


COSTS = ("wall_time", "parameters", "images_per_second")
"""Numbers of cost; the first that runs have is shown first."""


def quality(runs: Sequence[Run], there: Sequence[dict[str, Any]]) -> str | None:
    """The number by which most runs are summed up, of those that most points have."""
    from pushforward.report.columns import all_numbers

    ranks = {name: entry["column"].get("headline") for name, entry in all_numbers(runs).items()}
    headlines = sorted((name for name, rank in ranks.items() if rank is not None), key=lambda name: ranks[name])
    return first(headlines, there)


def first(names: Sequence[str], there: Sequence[dict[str, Any]]) -> str | None:
    """The name among `names` that most points have; of equals the first."""
    counts = {name: sum(name in point for point in there) for name in names}
    best = max(counts, key=lambda name: counts[name], default=None)
    return best if best is not None and counts[best] else None
