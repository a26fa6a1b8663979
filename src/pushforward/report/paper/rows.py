"""Rows of a figure: runs by the config keys that part them, in the order and under the names that tables give them."""

from collections.abc import Mapping, Sequence

from pushforward.errors import PushforwardError
from pushforward.report import comparability
from pushforward.report.columns import value_order
from pushforward.report.page.pictures import Kept
from pushforward.report.table_form import display
from pushforward.report.table_layout import Row
from pushforward.runs import Run


def rows_of(runs: Sequence[Run], keys: Sequence[str], names: Mapping[str, str]) -> list[Row]:
    """Return a row for each value of the config keys. Raises PushforwardError where no run has one of them."""
    for key in keys:
        if all(run.key(key) is None for run in runs):
            raise PushforwardError(f"--rows {key}: no run's config has this key. Try model, data or weighting.beta.")
    order = value_order(runs)
    groups = comparability.partition(runs, lambda run: tuple(_plain(run.key(key)) for key in keys))
    return [
        Row(key, [], groups[key], shown=display(key, names))
        for key in sorted(groups, key=lambda key: tuple(map(order, key)))
    ]


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | None) else str(value)


def lacking(rows: Sequence[Row], there: Sequence[Row], name: str, kept: Kept, remedy: str = "") -> list[str]:
    """Return what to say of rows that are not in the figure. Raises PushforwardError where none is."""
    left = [row.title for row in rows if row not in there]
    if not there:
        why = kept.gaps[0] if kept.gaps else f"none of these runs has {name}{remedy}"
        raise PushforwardError(why)
    return [*kept.gaps, *([f"left out, without {name}: {', '.join(left)}"] if left else [])]
