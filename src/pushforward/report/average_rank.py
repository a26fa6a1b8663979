"""The average rank of each row over the columns that may be ranked, as a further column."""

import statistics
from collections.abc import Sequence

from pushforward.errors import PushforwardError
from pushforward.report.ranking import SURE
from pushforward.report.table_form import blocks
from pushforward.report.table_layout import MIXED, Cell, Column, Row, Table

NAME = "average_rank"


def add(table: Table) -> None:
    """Add the column, and a note that says which columns counted: those that have a number of every row, all alike.

    Raises PushforwardError where there are none, or no two rows.
    """
    found: dict[int, float] = {}
    counted: dict[str, None] = {}
    for block in blocks(table):
        rows = [row for row in block if row.n and MIXED not in row.marks]
        columns = [i for i, column in enumerate(table.columns) if _counts(i, column, rows)]
        if len(rows) > 1 and columns:
            counted |= dict.fromkeys(table.columns[i].label for i in columns)
            by_column = [places([_signed(row, i, table.columns[i]) for row in rows]) for i in columns]
            for row, own in zip(rows, zip(*by_column, strict=True), strict=True):
                found[id(row)] = statistics.fmean(own)
    if not found:
        raise PushforwardError(
            "--average-rank: no column that may be ranked has a number of every row; choose --runs or --columns"
        )
    for row in table.rows:
        row.cells.append(Cell("value", (found[id(row)],)) if id(row) in found else Cell(""))
    left_out = [c.label for c in table.columns if c.label not in counted]
    table.columns.append(
        Column(NAME, better="lower", shown=table.names.get(NAME, ""), at=("",) * len(table.across), summary=True)
    )
    table.notes.append(
        f"{NAME}: mean place among the rows, 1 the best, in {', '.join(counted)}"
        + (f"; not counted, since not ranked or not of every row: {', '.join(left_out)}" if left_out else "")
    )


def _counts(i: int, column: Column, rows: Sequence[Row]) -> bool:
    cells = [row.cells[i] for row in rows]
    if not (column.ranked and column.better) or any(cell.kind or not cell.n for cell in cells):
        return False
    return len({cell.relation in SURE[column.better] for cell in cells}) == 1


def _signed(row: Row, i: int, column: Column) -> float:
    """The mean, the lower the better."""
    mean = row.cells[i].mean
    assert mean is not None
    return -mean if column.better == "higher" else mean


def places(values: Sequence[float]) -> list[float]:
    """The place of each value from 1, the lowest; equal values share the mean of theirs."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2 for value in values
    ]
