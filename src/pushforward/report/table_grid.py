"""A table as a grid of text, which every form of it writes: rows and columns with their titles, pieces of text in cells."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pushforward.report.plain_tables import figure
from pushforward.report.spread import bootstrap, half_width
from pushforward.report.table_layout import Cell, Column, Row, Table, key_text

ARROW = {"lower": "↓", "higher": "↑", None: ""}


class Piece(NamedTuple):
    """The text of a cell: the number, or why there is none, and what stands before and after it."""

    middle: str
    before: str = ""
    after: str = ""
    best: bool = False
    runner_up: bool = False
    state: str = "value"

    @property
    def text(self) -> str:
        return f"{self.before}{self.middle}{self.after}"


@dataclass(frozen=True)
class Line:
    """A row or a column: its titles, the outermost first."""

    titles: tuple[str, ...]
    narrow: str = ""
    """The last title, broken into lines where a column is narrow."""
    reference: bool = False
    glued: bool = False
    """It stays beside the one before it where columns are folded."""


@dataclass(frozen=True)
class Grid:
    heads: list[str]
    """Headings of the titles of rows."""
    rows: list[Line]
    columns: list[Line]
    cells: list[list[Piece]]

    @property
    def levels(self) -> int:
        """Titles of a column above its own."""
        return len(self.columns[0].titles) - 1

    def part(self, columns: Sequence[int]) -> "Grid":
        """Some of its columns, and the rows that say something in them: all but those of reference without a number."""
        rows = [
            i for i, row in enumerate(self.rows) if not row.reference or any(self.cells[i][k].text for k in columns)
        ]
        cells = [[self.cells[i][k] for k in columns] for i in rows]
        return replace(self, rows=[self.rows[i] for i in rows], columns=[self.columns[k] for k in columns], cells=cells)

    def spans(self, level: int) -> list[tuple[str, int]]:
        """(title, columns that it stands over) at a level, from left to right; what has no title stands alone."""
        found: list[tuple[str, int]] = []
        for before, line in zip([None, *self.columns], self.columns, strict=False):
            title = line.titles[level]
            if before is not None and title and before.titles[: level + 1] == line.titles[: level + 1]:
                found[-1] = (title, found[-1][1] + 1)
            else:
                found.append((title, 1))
        return found

    def folded(self, width: int, head: Callable[[Line], Sequence[str]]) -> list["Grid"]:
        """Parts whose columns stand side by side within `width` characters beside the titles of rows.

        head: the lines of a column's own title. A group of columns that fits into a part of its own is not split.
        """
        titles = sum(
            2 + max(map(len, (name, *(row.titles[i] for row in self.rows)))) for i, name in enumerate(self.heads)
        )
        wide = [
            2 + max(len(text) for text in (*head(line), *(row[k].text for row in self.cells)))
            for k, line in enumerate(self.columns)
        ]
        free = width - titles
        units: list[list[int]] = []
        for k, line in enumerate(self.columns):
            units[-1:] = [[*units[-1], k]] if line.glued else [*units[-1:], [k]]
        above: Callable[[list[int]], Any] = lambda unit: self.columns[unit[0]].titles[:-1] if self.levels else unit  # noqa: E731
        parts: list[list[int]] = [[]]
        for _, group in itertools.groupby(units, above):
            of_group = list(group)
            size = [sum(wide[k] for k in unit) for unit in of_group]
            used = sum(wide[k] for k in parts[-1])
            if parts[-1] and used + sum(size) > free >= sum(size):
                parts.append([])
            for unit, needed in zip(of_group, size, strict=True):
                if parts[-1] and sum(wide[k] for k in parts[-1]) + needed > free:
                    parts.append([])
                parts[-1] += unit
        return [self.part(part) for part in parts]


def stacked(heads: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Lines of headings that have several each, from the top: all of them end in the last."""
    high = max(map(len, heads))
    return list(zip(*([""] * (high - len(head)) + list(head) for head in heads), strict=True))


def grid(table: Table) -> Grid:
    """The table's texts; rows and columns exchanged where it is transposed."""
    above = len(table.across)
    columns = [
        Line((*_values(table, table.across, column.at), heading(column)), _narrow(column)) for column in table.columns
    ]
    counts = Line(("",) * above + ("n",), "n", glued=True)
    cells = [
        [
            *(piece(cell, row, column, table) for cell, column in zip(row.cells, table.columns, strict=True)),
            Piece(seeds(row)),
        ]
        for row in table.rows
    ]
    if not table.transposed:
        rows = [Line(names(row), reference=row.reference) for row in table.rows]
        return Grid(heads(table), rows, [*columns, counts], cells)
    models = []
    for row in table.rows:
        *outer, last = _values(table, table.keys, row.shown or row.key)
        models.append(Line((*outer, last + row.marks), _breakable(last) + row.marks, row.reference))
    turned = [list(column) for column in zip(*cells, strict=True)]
    measures = [replace(line, narrow="") for line in (*columns, counts)]
    return Grid([*(table.names.get(key, key) for key in table.across), "measure"], measures, models, turned)


def _values(table: Table, keys: Sequence[str], values: Sequence[Any]) -> tuple[str, ...]:
    """Values of keys as headings: of a number it is said of what."""
    texts = (table.names.get(key_text(value), key_text(value)) for value in values)
    return tuple(
        text if isinstance(value, str) else f"{table.names.get(key, key)} = {text}"
        for key, value, text in zip(keys, values, texts, strict=True)
    )


def piece(cell: Cell, row: Row, column: Column, table: Table) -> Piece:
    if not cell.n or cell.mean is None:
        return Piece({"missing": "–"}.get(cell.state, cell.state), state=cell.state)
    of_seeds = not row.reference and not column.summary
    after = cell.kind + (f" (n={cell.n})" if of_seeds and cell.n != row.n else "")
    before = f"{cell.relation} " if cell.relation else ""
    return Piece(shown(cell, table.spread, table.digits), before, after, cell.bold, cell.runner_up)


def shown(cell: Cell, spread: str = "std", digits: int | None = None) -> str:
    """A cell's mean with its spread."""
    assert cell.mean is not None
    ends = bootstrap(cell.values) if spread == "bootstrap" else None
    return interval(cell.mean, *ends) if ends else number(cell.mean, half_width(cell.values, spread), digits)


def number(mean: float, std: float | None, digits: int | None = None) -> str:
    """`mean ± std` to two significant digits of std; `digits` of the mean, or four, where there is none."""
    if not std or std < 1e-9 * abs(mean):
        if float(mean).is_integer() and abs(mean) >= 1000:
            return f"{int(mean):,}"
        return (f"{mean:.4g}" if digits is None else figure(mean, digits)) + (" ± 0" if std is not None else "")
    power = math.floor(math.log10(max(abs(mean), std)))
    if not -3 <= power < 6:
        scale = 10.0**power
        return f"({number(mean / scale, std / scale)})e{power}"
    places = _places(std)
    mean, std = round(mean, places), round(std, places)
    places = max(places, 0)
    return f"{mean:.{places}f} ± {std:.{places}f}"


def interval(mean: float, low: float, high: float) -> str:
    """`mean [low, high]` to two significant digits of half the interval's width."""
    half = (high - low) / 2
    if half < 1e-9 * abs(mean):
        return f"{number(mean, None)} [±0]"
    power = math.floor(math.log10(max(abs(mean), half)))
    if not -3 <= power < 6:
        scale = 10.0**power
        return f"({interval(mean / scale, low / scale, high / scale)})e{power}"
    places = _places(half)
    mean, low, high = (f"{round(value, places):.{max(places, 0)}f}" for value in (mean, low, high))  # type: ignore[assignment]
    return f"{mean} [{low}, {high}]"


def _places(spread: float) -> int:
    """Places behind the point that show two significant digits."""
    return 1 - math.floor(math.log10(float(f"{spread:.1e}")))


def names(row: Row) -> tuple[str, ...]:
    """The row's keys, its marks behind the last."""
    *outer, last = [key_text(value) for value in row.shown or row.key]
    return (*outer, last + row.marks)


def heads(table: Table) -> list[str]:
    """Headings of the keys."""
    return [table.names.get(key, key) for key in table.keys]


def seeds(row: Row) -> str:
    """The number of seeds, and of runs without numbers."""
    return "" if row.reference else str(row.n) + (f" ({row.others})" if row.others else "")


def heading(column: Column) -> str:
    unit = f" [{column.unit}]" if column.unit else ""
    arrow = f" {ARROW[column.better]}" if column.better in ARROW and column.better and column.ranked else ""
    return f"{column.title}{unit}{arrow}" + (f" ({column.unranked})" if column.unranked else "")


def _narrow(column: Column) -> str:
    """The heading on several lines: a long name breaks at its last underscore, the unit has a line of its own."""
    rest = heading(column).removeprefix(column.title).strip()
    arrow = ARROW.get(column.better, "") if column.ranked else ""
    unit = rest.removesuffix(arrow).strip()
    return _breakable(column.title) + (f" {arrow}" if arrow else "") + (f"\n{unit}" if unit else "")


def _breakable(name: str) -> str:
    return "_\n".join(name.rsplit("_", 1)) if len(name) > 10 and "_" in name else name
