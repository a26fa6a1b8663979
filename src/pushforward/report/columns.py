"""The order of a table's columns and rows: as measures declare their numbers, and recipes themselves, in what runs record."""

import difflib
import fnmatch
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.runs import Run
from pushforward.runs.weights import SETS

Entries = Mapping[str, Mapping[str, Any]]


def ordered(entries: Entries) -> list[str]:
    """Names of numbers in the order of a table's columns; what declares no place comes last, as it was measured."""
    return sorted(entries, key=lambda name: tuple(entries[name]["column"].get("order") or (math.inf,)))


def main(entries: Entries) -> list[str]:
    """The numbers that a table shows where none are named; all where none is declared to be one."""
    names = ordered(entries)
    return [name for name in names if entries[name]["column"].get("main")] or names


def headline(run: Run) -> str | None:
    """The number by which a run is summed up in one line; None where it has none."""
    ranks = {
        name: entry["column"]["headline"]
        for name, entry in run.metrics.items()
        if entry["value"] is not None and entry["column"].get("headline") is not None
    }
    return min(ranks, key=lambda name: ranks[name], default=None)


def collapses(run: Run) -> list[str]:
    """Reasons why the cards of a run's numbers call it collapsed: reconstructions or samples that are nearly all alike."""
    return [m["card"]["collapsed"] for m in run.metrics.values() if (m.get("card") or {}).get("collapsed")]


def all_numbers(runs: Iterable[Run]) -> dict[str, Mapping[str, Any]]:
    """An entry for each number that any of the runs has, where one says its place that one."""
    found: dict[str, Mapping[str, Any]] = {}
    for run in runs:
        for name, entry in run.metrics.items():
            if name not in found or not found[name]["column"]:
                found[name] = entry
    return found


def chosen(runs: Sequence[Run], columns: Sequence[str]) -> list[str]:
    """Numbers by name, by pattern, or `all` that the runs have; without any the main ones.

    Where no run has a number yet, names are taken as they are: they are the columns of what is still to come.
    """
    entries = all_numbers(runs)
    if not columns:
        return main(entries)
    names = ordered(entries)
    found: dict[str, None] = {}
    for name in columns:
        matching = fnmatch.filter(names, "*" if name == "all" else name) or [name] * (not names)
        if not matching:
            near = difflib.get_close_matches(name, names, n=3) or names[:5]
            raise PushforwardError(f"--columns {name}: no run has this metric. Nearest: {', '.join(near)}.")
        found |= dict.fromkeys(matching)
    return list(found)


def value_order(runs: Iterable[Run]) -> Callable[[Any], tuple[int, float, str]]:
    """A sort key: recipes by the `order` that they declare, then numbers by size, then text; what is absent comes last.

    Sets of weights stand in their own order.
    """
    recipes = {name: float(place) for place, name in enumerate(SETS)}
    recipes |= {run.key("model"): float(place) for run in runs if (place := run.config.get("row_order")) is not None}

    def key(value: Any) -> tuple[int, float, str]:
        if isinstance(value, str) and value in recipes:
            return 0, recipes[value], value
        if isinstance(value, int | float):
            return 1, float(value), ""
        return (3, 0, "") if value is None else (2, 0, str(value))

    return key
