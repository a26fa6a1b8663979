"""Ranking the numbers of a column, the references beside them, and the notes below."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pushforward.report import comparability, intervals, spread, table_form
from pushforward.report.table_grid import number
from pushforward.report.table_layout import MIXED, Cell, Column, Row, Table, key_text
from pushforward.untrusted_text import LETTERS

FLOOR = "train vs test (floor)"
MANY = 3
"""Seeds below which nothing is called best."""
LEVEL = 0.05
"""Of the test that takes a row out of bold, divided by the number of its rivals (Bonferroni): of rows that are equally good
each is taken out in at most half of this share of tables, whatever their number."""
SURE: dict[str | None, tuple[str, ...]] = {"lower": ("", "=", "≤"), "higher": ("", "=", "≥"), None: ()}
"""Relations of a number that its model truly reaches, by the column's better direction: what is exact, and a bound on the
safe side."""


@dataclass
class Difference:
    """The differences between cards of one column within one data set. `refused`: in how it was measured, not in the models."""

    column: Column
    data: str
    keys: tuple[str, ...]
    items: list[dict[str, str]]
    rows: list[Row]
    """Of `items`, one by one."""
    refused: bool

    def parts(self, titles: bool) -> tuple[str, ...]:
        """`n = 360 (ae), 1000 (vae)`, one for each key that differs; titles: rows by their display names."""
        names = [row.title if titles else row.label for row in self.rows]
        return tuple(comparability.grouped(key, self.items, names) for key in self.keys)


def compare(i: int, column: Column, rows: Sequence[Row], keys: Sequence[str], several: bool) -> list[Difference]:
    """The differences between cards of a column within a data set; a letter is put on the cells, the same on those alike."""
    pairs = [(row, run) for row in rows for run in row.cells[i].runs if run.value(column.name) is not None]
    found = []
    for data, group in comparability.partition(pairs, lambda pair: comparability.data_set(pair[1], keys)).items():
        metrics = [run.metrics[column.name] for _, run in group]
        if comparability.alike(metrics):
            continue
        measured, meant = [comparability.protocol(m) for m in metrics], [comparability.meaning(m) for m in metrics]
        items = [a | b for a, b in zip(measured, meant, strict=True)]
        differ = comparability.differing(items)
        if not differ:
            continue
        kinds = comparability.kinds(items, differ)
        for (row, _), kind in zip(group, kinds, strict=True):
            letter, cell = LETTERS[min(kind, len(LETTERS) - 1)], row.cells[i]
            cell.kind = "".join(sorted({*cell.kind, letter}, key=LETTERS.index))
        where = " ".join(str(part) for part in data if part is not None) if several else ""
        of = [row for row, _ in group]
        found.append(Difference(column, where, tuple(differ), items, of, bool(comparability.differing(measured))))
    return found


def _alike(found: Sequence[Difference], titles: bool) -> list[tuple[str, tuple[str, ...]]]:
    """(columns, what differs in which rows), a pair for all columns whose cards differ in the same way."""
    groups = comparability.partition(found, lambda d: (d.data, d.parts(titles)))
    return [
        (
            ", ".join(dict.fromkeys(d.column.title if titles else d.column.label for d in group))
            + (f" on {data}" if data else ""),
            parts,
        )
        for (data, parts), group in groups.items()
    ]


def _some(parts: Sequence[str], most: int, what: str) -> str:
    """The first of them, and how many more there are."""
    return "; ".join(parts[:most]) + (f"; and {len(parts) - most} more {what}" if len(parts) > most else "")


def refusal(found: Sequence[Difference]) -> str:
    """One line: the columns, what of their cards differs in which rows, and what to do about it."""
    said = [f"cards of {columns} differ in {_some(parts, 2, 'keys')}" for columns, parts in _alike(found, titles=False)]
    return (
        f"{_some(said, 2, 'such differences')}: measure these rows alike (pushforward evaluate RUN), "
        "choose other --columns or --runs, or show them unranked with --allow-mixed"
    )


def settle(found: Sequence[Difference], notes: list[str]) -> None:
    """Columns whose cards differ are not ranked, and a note says why."""
    for d in found:
        own = "not ranked" if d.column.better else ""  # of rate and distortion nothing is ever called best
        d.column.unranked = "mixed cards" if d.refused else d.column.unranked or own
    for columns, parts in _alike(found, titles=True):
        notes.append(f"not ranked: {columns}; cards differ in {'; '.join(parts)}; numbers with the same letter compare")


def rank(i: int, column: Column, rows: Sequence[Row]) -> None:
    """Bold: the best mean, and those that do not differ from it significantly; all of ≥ 3 seeds, or none.

    The runner-up is the best of the others, of ≥ 3 seeds too.

    An estimate does not compete with exact values and bounds: it may lie on either side of what it estimates.
    """
    cells = [row.cells[i] for row in rows if row.cells[i].n and MIXED not in row.marks]
    sure = [cell for cell in cells if cell.relation in SURE.get(column.better, ())]
    if sure and len(sure) < len(cells):
        column.apart = True
    cells = sure or cells
    if column.better not in ("lower", "higher") or len(cells) < 2 or any(row.cells[i].kind for row in rows):
        return
    sign = 1 if column.better == "lower" else -1
    order = sorted(cells, key=lambda cell: sign * statistics.fmean(cell.values))
    best = order[0]
    top = [cell for cell in order if cell is best or not differ(cell.values, best.values, LEVEL / (len(cells) - 1))]
    others = [cell for cell in order if cell not in top]
    if all(cell.n >= MANY for cell in top) and any(cell.n >= MANY for cell in others or top):
        for cell in top:
            cell.bold = True
        if others and others[0].n >= MANY:
            others[0].runner_up = True


def differ(a: Sequence[float], b: Sequence[float], level: float) -> bool:
    """Whether two rows' means differ, by Welch's t test at `level`, two-sided.

    A single seed is taken to have the other row's spread, which is then that of a prediction.
    """
    if min(len(a), len(b)) > 1:
        return intervals.difference(a, b, 1 - level).excludes_zero
    one, many = sorted((a, b), key=len)
    if len(many) < 2:
        return one[0] != many[0]
    from scipy.special import stdtrit

    spread = statistics.stdev(many) * math.sqrt(1 + 1 / len(many))
    return abs(one[0] - statistics.fmean(many)) > float(stdtrit(len(many) - 1, 1 - level / 2)) * spread


def reference_rows(table: Table, data: Any, rows: Sequence[Row], several: bool) -> list[Row]:
    """Rows of what no model produced, from the cards: `floor`, and `references` {label: value}; all their draws where there
    are several. Where runs disagree, the range of what they say."""
    found: dict[str, dict[int, list[tuple[float, ...]]]] = {}
    for i, column in enumerate(table.columns):
        for run in (run for row in rows for run in row.cells[i].runs):
            card = (run.metrics.get(column.name) or {}).get("card") or {}
            values = {"floor": card.get("floor")} | (card.get("references") or {})
            draws = card.get("reference_draws") or {}
            for label, value in values.items():
                if value is not None:
                    own = tuple(float(x) for x in draws.get(label) or (value,))
                    found.setdefault(FLOOR if label == "floor" else label, {}).setdefault(i, []).append(own)
    made = []
    for label, by_column in found.items():
        key = [data if k == "data" else "" for k in table.keys]
        place = table.keys.index("model") if "model" in table.keys else 0
        key[place] = label if "data" in table.keys or not several else f"{label}, {data}"
        cells = [Cell("") for _ in table.columns]
        for i, numbers in by_column.items():
            means = [statistics.fmean(own) for own in numbers]
            same = math.isclose(min(means), max(means), rel_tol=1e-6)
            cells[i] = (
                Cell("value", max(numbers, key=len))
                if same
                else Cell(" to ".join(number(x, None, table.digits) for x in (min(means), max(means))))
            )
        made.append(Row(tuple(key), cells, reference=True, shown=table_form.display(key, table.names)))
    return made


def explain(table: Table, notes: list[str]) -> None:
    cells = [(row, column, cell) for row in table.rows for column, cell in zip(table.columns, row.cells, strict=True)]
    reasons = comparability.partition([c for c in cells if c[2].state == "n/a"], lambda c: c[2].note)
    for reason, where in reasons.items():
        rows = ", ".join(dict.fromkeys(row.title for row, _, _ in where))
        notes.append(f"n/a ({rows}: {_columns([column for _, column, _ in where], table)}): {reason}")
    kinds = {"=": "= exact", "≤": "≤ bound", "≥": "≥ bound", "≈": "≈ estimate"}
    used = [text for mark, text in kinds.items() if any(cell.relation == mark for _, _, cell in cells)]
    notes += [f"likelihoods: {', '.join(used)}"] if used else []
    most = max((row.n for row in table.rows if not row.reference), default=0)
    notes.append(f"{spread.KINDS[table.spread]} over n seeds" if most > 1 else "one seed each")
    apart = [column for column in table.columns if column.apart and column.ranked]
    if apart:
        notes.append(f"never bold beside exact values and bounds: estimates (≈) of {_columns(apart, table)}")
    if any(cell.n > 1 for row, _, cell in cells if row.reference):
        notes.append(f"rows of reference: {spread.KINDS[table.spread]} over draws")
    if any(cell.bold for _, _, cell in cells):
        second = "; underlined: the best of the others" if any(cell.runner_up for _, _, cell in cells) else ""
        notes.append(
            "bold: best, or not significantly worse (Welch's t test over seeds, 5 % divided by the number of rivals), "
            f"of at least 3 seeds each{second}"
        )
    elif most and any(column.ranked and column.better for column in table.columns):
        notes.append("nothing in bold: that takes at least 3 seeds of each of the rows compared")


def _columns(columns: Sequence[Column], table: Table) -> str:
    """Titles of columns; of one that stands in several groups which are meant, unless all are."""
    said = []
    for title, own in comparability.partition(columns, lambda column: column.title).items():
        groups = dict.fromkeys(column.at for column in own)
        every = {column.at for column in table.columns if column.title == title}
        where = ", ".join(" ".join(table.names.get(key_text(value), key_text(value)) for value in at) for at in groups)
        said.append(title + (f" of {where}" if every - set(groups) else ""))
    return ", ".join(said)
