"""Which numbers of a column are best, what stands beside them for reference, and what has to be said below."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from pushforward.report import protocol
from pushforward.report.layout import MIXED, Cell, Column, Row, Table

FLOOR = "train vs test (floor)"
MANY = 3
"""Seeds below which nothing is called best."""


def rank(i: int, column: Column, rows: Sequence[Row], notes: list[str]) -> None:
    """Bold: the best mean, and those within one standard error of the difference; all of ≥ 3 seeds, or none."""
    measured = [row for row in rows if row.cells[i].n]
    cards = [
        (protocol.protocol(run.metrics[column.name]), row.label)
        for row in measured
        for run in row.runs
        if run.value(column.name) is not None
    ]
    differ = protocol.differing([card for card, _ in cards])
    if differ:
        column.ranked = False
        items, names = [card for card, _ in cards], [name for _, name in cards]
        parts = "; ".join(protocol.grouped(key, items, names) for key in differ)
        notes.append(f"{column.name} is not ranked: cards differ in {parts}")
        return
    cells = [row.cells[i] for row in measured if MIXED not in row.marks]
    if column.better not in ("lower", "higher") or len(cells) < 2:
        return
    sign = 1 if column.better == "lower" else -1
    best = min(cells, key=lambda cell: sign * statistics.fmean(cell.values))

    def ties(cell: Cell) -> bool:
        gap = abs(statistics.fmean(cell.values) - statistics.fmean(best.values))
        return cell is best or gap <= math.hypot(cell.standard_error, best.standard_error)

    top = [cell for cell in cells if ties(cell)]
    rivals = [cell for cell in cells if cell not in top] or top
    if all(cell.n >= MANY for cell in top) and any(cell.n >= MANY for cell in rivals):
        for cell in top:
            cell.bold = True


def references(table: Table, data: Any, rows: Sequence[Row], several: bool) -> list[Row]:
    """Rows of what no model produced, from the cards: `floor`, and `references` {label: value}."""
    found: dict[str, dict[int, list[float]]] = {}
    for i, column in enumerate(table.columns):
        for run in (run for row in rows for run in row.runs):
            card = (run.metrics.get(column.name) or {}).get("card") or {}
            values = {FLOOR: card.get("floor")} | (card.get("references") or {})
            for label, value in values.items():
                if value is not None:
                    found.setdefault(label, {}).setdefault(i, []).append(float(value))
    made = []
    for label, by_column in found.items():
        key = [data if k == "data" else "" for k in table.keys]
        place = table.keys.index("model") if "model" in table.keys else 0
        key[place] = label if "data" in table.keys or not several else f"{label}, {data}"
        cells = [Cell("") for _ in table.columns]
        for i, numbers in by_column.items():
            low, high = min(numbers), max(numbers)
            same = math.isclose(low, high, rel_tol=1e-6)
            cells[i] = Cell("value", (numbers[0],)) if same else Cell(f"{low:.4g} to {high:.4g}")
        made.append(Row(tuple(key), cells, reference=True))
    return made


def explain(table: Table, notes: list[str]) -> None:
    cells = [(row, column, cell) for row in table.rows for column, cell in zip(table.columns, row.cells, strict=True)]
    reasons = protocol.partition([c for c in cells if c[2].state == "n/a"], lambda c: c[2].note)
    for reason, where in reasons.items():
        rows = ", ".join(dict.fromkeys(row.label for row, _, _ in where))
        names = ", ".join(dict.fromkeys(column.name for _, column, _ in where))
        notes.append(f"n/a ({rows}: {names}): {reason}")
    kinds = {"=": "= exact", "≤": "≤ bound", "≥": "≥ bound", "≈": "≈ estimate"}
    used = [text for mark, text in kinds.items() if any(cell.relation == mark for _, _, cell in cells)]
    notes += [f"likelihoods: {', '.join(used)}"] if used else []
    most = max((row.n for row in table.rows if not row.reference), default=0)
    notes.append("mean ± standard deviation over n seeds" if most > 1 else "one seed each")
    if any(cell.bold for _, _, cell in cells):
        notes.append("bold: best, or within one standard error of it, of at least 3 seeds each")
    elif most and any(column.ranked and column.better for column in table.columns):
        notes.append("nothing in bold: that takes at least 3 seeds of each of the rows compared")
