"""The parts of a table: cells over seeds, columns, rows, notes."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pushforward.runs import Run
from pushforward.untrusted_text import line

IMPROVING, STALE, MIXED, COLLAPSED = "*", "†", "‡", "°"
"""Marks of a row: improving at the end of its budget; trained by other source; means over unlike runs; nothing learned."""


@dataclass
class Cell:
    """One number over seeds, or why there is none: `state` is value, n/a, missing, or the state of its runs."""

    state: str = "missing"
    values: tuple[float, ...] = ()
    relation: str = ""
    note: str = ""
    bold: bool = False
    runner_up: bool = False
    """The best of those that are not bold."""
    runs: list[Run] = field(default_factory=list)
    """Of which it says something, with a number or without."""
    kind: str = ""
    """ᵃ, ᵇ, … where the cards of a column differ: numbers with the same letter were measured alike."""

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.values) if self.values else None

    @property
    def std(self) -> float | None:
        """Standard deviation over seeds, divisor n − 1; None for one seed."""
        return statistics.stdev(self.values) if self.n > 1 else None


@dataclass
class Column:
    name: str
    unit: str = ""
    better: str | None = None
    unranked: str = ""
    """Why nothing in it is called best: `not ranked`, `mixed cards`."""
    apart: bool = False
    """Some of its numbers are estimates beside exact values or bounds, and were not ranked with them."""
    shown: str = ""
    """Its display name, where it has one."""
    at: tuple[Any, ...] = ()
    """Values of the table's `across`: the group of columns that it stands in."""
    summary: bool = False
    """Made of other columns, and no mean over seeds."""

    @property
    def label(self) -> str:
        """`digits.bpd`, by which a column of a group is meant."""
        return ".".join([*(key_text(value) for value in self.at if value != ""), self.name])

    @property
    def title(self) -> str:
        return self.shown or self.name

    @property
    def ranked(self) -> bool:
        return not self.unranked


@dataclass
class Row:
    key: tuple[Any, ...]
    cells: list[Cell]
    runs: list[Run] = field(default_factory=list)
    reference: bool = False
    marks: str = ""
    others: str = ""
    """Runs without numbers, such as `1 diverged`."""
    shown: tuple[Any, ...] = ()
    """Its key by display names, where it has some."""

    @property
    def label(self) -> str:
        return _joined(self.key)

    @property
    def title(self) -> str:
        return _joined(self.shown or self.key)

    @property
    def n(self) -> int:
        return max((cell.n for cell in self.cells), default=0)


@dataclass
class Table:
    keys: tuple[str, ...]
    columns: list[Column]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    caption: str = ""
    label: str = ""
    """The name by which \\ref in LaTeX refers to it."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Display names of columns, keys and values of keys, by what stands there otherwise."""
    digits: int | None = None
    """Significant digits of a mean without a spread; None: four."""
    across: tuple[str, ...] = ()
    """Config keys whose values part columns into groups."""
    spread: str = "std"
    """The kind of spread behind a mean: one of `spread.KINDS`."""
    transposed: bool = False
    as_html: "ClassVar[Callable[[Table], str] | None]" = None
    """How a notebook shows a table: set by the package, for nothing is known of its forms here."""

    def _repr_html_(self) -> str | None:
        return Table.as_html and Table.as_html(self)

    def cell(self, row: str, column: str) -> Cell:
        """The cell of the row whose label (its keys with a space between) is `row`; of a column by its label."""
        names = [c.label for c in self.columns]
        return next(r for r in self.rows if r.label == row).cells[names.index(column)]


def key_text(value: Any) -> str:
    """A value of a row's key as it stands in the table."""
    return "–" if value is None else line(value)


def _joined(key: tuple[Any, ...]) -> str:
    return " ".join(str(value) for value in key if value not in (None, ""))
