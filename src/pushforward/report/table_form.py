"""A table's form: display names, order of rows, digits, caption and label, each refused where it cannot take effect."""

import difflib
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.report import comparability
from pushforward.report.table_grid import number
from pushforward.report.table_layout import Row, Table, key_text

LABEL = re.compile(r"[A-Za-z0-9:._/+-]+")
"""The characters that stand between the braces of \\label as it is."""
MOST_DIGITS = 15
"""Of a float64 all are sure."""


def check(caption: str, label: str, digits: int | None) -> None:
    """Raises PushforwardError where the caption, label or digits cannot be."""
    if label and not LABEL.fullmatch(label):
        raise PushforwardError(f"--label {label}: letters, digits and :._/+- alone, such as tab:families")
    if label and not caption.strip():
        raise PushforwardError(f"--label {label}: LaTeX numbers a table by its caption; give --caption too")
    if digits is not None and not 1 <= digits <= MOST_DIGITS:
        raise PushforwardError(f"--digits {digits}: 1 to {MOST_DIGITS}")


def display(key: Iterable[Any], names: Mapping[str, str]) -> tuple[Any, ...]:
    """The values of a row's key by their display names."""
    return tuple(names.get(key_text(value), value) for value in key)


def check_shown(table: Table, elsewhere: Collection[str] = ()) -> None:
    """Raises PushforwardError where a display name names nothing or two things, or `digits` decides no number.

    elsewhere: what may be named though the table does not have it.
    """
    heads = [*table.keys, *table.across, *dict.fromkeys(column.name for column in table.columns)]
    values = [*(row.key for row in table.rows), *(column.at for column in table.columns)]
    known = dict.fromkeys([*heads, *(key_text(value) for key in values for value in key if value != "")])
    for name, display in table.names.items():
        if name not in known and name not in elsewhere:
            raise PushforwardError(f"--names {name}={display}: {_unknown(name, list(known))}")
        if not display.strip():
            raise PushforwardError(f"--names {name}=: an empty display name")
    if table.names:
        for what, titles in (
            ("columns", [table.names.get(head, head) for head in heads]),
            ("rows", [" ".join(map(key_text, row.shown or row.key)) for row in table.rows]),
        ):
            if twice := next((title for title, count in Counter(titles).items() if count > 1), None):
                raise PushforwardError(f"--names: two {what} would be called {twice}")
    cells = [cell for row in table.rows for cell in row.cells]
    if table.digits is not None and not any(_open(cell.mean, cell.std) for cell in cells if cell.mean is not None):
        raise PushforwardError(
            f"--digits {table.digits}: every number here is whole, or its spread over seeds decides its digits"
        )


def _open(mean: float, std: float | None) -> bool:
    """Whether so many digits of the mean are shown as are asked for."""
    return number(mean, std, 1) != number(mean, std, MOST_DIGITS)


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    return f"no {name} in this table. " + (f"Nearest: {', '.join(near)}" if near else f"It has {', '.join(known[:8])}")


def sort(table: Table, by: str, order: Callable[[Any], Any]) -> None:
    """Orders the rows by a column, the best first within each data set, or by a key in its `order`; `-NAME`: reversed.

    Rows without a number come last. Raises PushforwardError where there is no such column, or nothing to order.
    """
    name, reverse = by.removeprefix("-"), by.startswith("-")
    labels = [column.label for column in table.columns]
    if name in labels:
        i = labels.index(name)
        reverse ^= table.columns[i].better == "higher"
        groups = blocks(table)
        value: Callable[[Row], Any] = lambda row: row.cells[i].mean  # noqa: E731
    elif name in table.keys:
        k = table.keys.index(name)
        groups = [table.rows]
        value = lambda row: row.key[k]  # noqa: E731
    else:
        raise PushforwardError(f"--sort {by}: {_unknown(name, [*table.keys, *labels])}; --columns adds metrics")
    if all(_absent(value(row)) for row in table.rows):
        raise PushforwardError(f"--sort {by}: no row has a number there")
    if all(len(group) < 2 for group in groups):
        several = "no two rows share a data set, and numbers of different ones do not compare"
        raise PushforwardError(f"--sort {by}: {several if len(groups) > 1 else 'there is one row'}")
    table.rows = []
    for group in groups:
        there = [row for row in group if not _absent(value(row))]
        table.rows += sorted(there, key=lambda row: order(value(row)), reverse=reverse)
        table.rows += [row for row in group if _absent(value(row))]


def complete(table: Table, most: int = 5) -> None:
    """Raises PushforwardError, in one line, where a cell has neither a number nor a reason to have none (n/a)."""
    lacking = [
        f"{row.label} {column.label} ({cell.state})"
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if not (row.reference or column.summary) and cell.state not in ("value", "n/a")
    ]
    if lacking:
        more = f" and {len(lacking) - most} more" if len(lacking) > most else ""
        raise PushforwardError(
            f"--strict: {len(lacking)} cells without a number: {', '.join(lacking[:most])}{more}; "
            "train or evaluate these runs, or choose other --columns or --runs"
        )


def blocks(table: Table) -> list[list[Row]]:
    """The rows that numbers may be compared over: those of a data set, or all where data sets stand side by side."""
    if "data" in table.across:
        own = [i for i, key in enumerate(table.keys) if key.startswith("data.")]
        key: Callable[[Row], Any] = lambda row: tuple(row.key[i] for i in own)  # noqa: E731
    else:
        key = lambda row: comparability.data_set(row.runs[0], table.keys)  # noqa: E731
    return list(comparability.partition(table.rows, key).values())


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
