"""The comparison table of the page: texts of cells, what they are sorted by, and the card of each number."""

from typing import Any

from pushforward.report import card_text, table_grid
from pushforward.report.table_layout import Cell, Column, Row, Table

MOST_LINES = 40
"""Lines of a card, at the most."""


class Pool:
    """Texts that are written once and meant by their number."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = len(self.texts)
            self.texts.append(text)
        return self._known[text]


def data(table: Table) -> dict[str, Any]:
    """heads, columns, rows and notes as the template writes them; `cards` and `lines` as the script shows them."""
    lines, cards = Pool(), list[list[int]]()
    rows = [_row(row, table, lines, cards) for row in table.rows]
    return {
        "heads": table_grid.heads(table),
        "columns": [
            {"name": c.title, "rest": table_grid.heading(c).removeprefix(c.title), "better": c.better}
            for c in table.columns
        ],
        "rows": [row for row in rows if not row["reference"]],
        "references": [row for row in rows if row["reference"]],
        "notes": list(dict.fromkeys(table.notes)),
        "cards": cards,
        "lines": lines.texts,
    }


def _row(row: Row, table: Table, lines: Pool, cards: list[list[int]]) -> dict[str, Any]:
    cells = []
    for cell, column in zip(row.cells, table.columns, strict=True):
        piece = table_grid.piece(cell, row, column, table)
        said = card(row, cell, column)
        if said:
            cards.append([lines(line) for line in said])
        cells.append(
            {
                "text": piece.text,
                "sort": cell.mean,
                "bold": piece.best,
                "runner_up": piece.runner_up,
                "state": cell.state,
                "note": cell.note,
                "card": len(cards) - 1 if said else None,
            }
        )
    return {
        "titles": table_grid.names(row),
        "cells": cells,
        "seeds": table_grid.seeds(row),
        "reference": row.reference,
    }


def card(row: Row, cell: Cell, column: Column) -> list[str]:
    """Lines: the number of each seed, and the card of the first; nothing where no run of the row has the number."""
    having = [run for run in row.runs if column.name in run.metrics]
    if not having:
        return []
    said = card_text.why(having[0], column.name)
    if cell.n > 1:
        seeds = (f"{run.value(column.name):.6g} ({run.id})" for run in having if run.value(column.name) is not None)
        said.insert(1, f"  of {cell.n} seeds: {', '.join(seeds)}")
    return said[:MOST_LINES]
