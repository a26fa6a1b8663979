"""A table of a paper: rows, columns, blocks, budgets, published numbers and rules of acceptance, as they are once read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pushforward.domains import Count, Natural, Positive, Real
from pushforward.recipes import Header, header

Status = Literal["verified", "secondary", "memory"]
"""Evidence for a published number: the paper or its code; a quotation; memory, which is shown as unverified."""


class Place(NamedTuple):
    """A cell; block is empty where a table has none."""

    row: str
    block: str
    column: str


@dataclass(frozen=True)
class Row:
    """A row: overrides of its runs, or the label of a reference in the cards of the columns' numbers."""

    name: str = ""
    overrides: tuple[str, ...] = ()
    blocks: tuple[str, ...] | None = None
    """Those it has; None: all."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """Columns whose number is another of this row's runs."""
    reference: str | None = None
    """A label among `references` of a card, or floor: what is known without training."""
    space: Mapping[str, Any] = field(default_factory=dict)
    """The dimensions in which a budget's search varies this row, beside those of all."""


@dataclass(frozen=True)
class Block:
    """A group of columns with runs of its own, such as a data set."""

    name: str = ""
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """A number of a run's record, shown as scale · number + offset."""

    metric: str
    name: str = ""
    unit: str | None = None
    scale: Real = 1.0
    offset: Real = 0.0
    blocks: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Search:
    """A search before the seeds, one of each row in each block: the best of its trials is what is trained with all seeds."""

    trials: Count
    metric: str
    """The number that trials are compared by, as a study has it: `val/criterion`, `test/fd_inception`."""
    space: Mapping[str, Any] = field(default_factory=dict)
    """What is varied of every row, as a study has it; a row's own `space` is added."""
    sampler: str = "random"


@dataclass(frozen=True)
class Budget:
    """A preset: what its runs take. full: as much as was published, so that numbers may be held against published ones."""

    seeds: tuple[Natural, ...]
    minutes: Positive
    """Of the machine it is meant for, all runs together: the estimate before there is a better one."""
    overrides: tuple[str, ...] = ()
    full: bool = False
    rows: tuple[str, ...] | None = None
    blocks: tuple[str, ...] | None = None
    of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """More overrides of a row or a block."""
    search: Search | None = None


@dataclass(frozen=True)
class Number:
    """A number that others have printed."""

    value: Real
    error: Real | None = None
    status: Status | None = None
    source: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Published:
    """Numbers of a paper: row → column → number, [number, error] or what `Number` has; status and source of the most."""

    values: Mapping[str, Mapping[str, Any]]
    status: Status
    source: str
    error_is: str = ""
    """The words for what follows ±: `standard error of 10 runs`."""


@dataclass(frozen=True)
class Replication:
    """The same numbers as others obtained them."""

    by: str
    values: Mapping[str, Mapping[str, Any]]
    protocol: str = ""


@dataclass(frozen=True)
class Tolerance:
    """|ours − published| is at most the largest of these."""

    absolute: Positive | None = None
    relative: Positive | None = None
    errors: Positive | None = None
    """In published errors."""


@dataclass(frozen=True)
class Rule:
    """One statement about numbers as they are shown. Cells are named by row, `row@column` or `row@block.column`."""

    column: str = ""
    ascending: tuple[str, ...] | None = None
    descending: tuple[str, ...] | None = None
    by: Real = 0.0
    """Each step of an order is larger than this."""
    difference: tuple[str, str] | None = None
    ratio: tuple[str, str] | None = None
    spread: tuple[str, ...] | None = None
    """Largest less smallest."""
    rows: tuple[str, ...] | None = None
    """Each of these, where a limit is of single numbers; None: all."""
    above: Real | None = None
    below: Real | None = None
    within: Tolerance | None = None
    """Of the published number."""
    presets: tuple[str, ...] | None = None
    note: str = ""

    @property
    def order(self) -> tuple[str, ...]:
        return self.ascending or self.descending or ()

    @property
    def pair(self) -> tuple[str, ...]:
        """Cells that a difference, a ratio or a spread is of."""
        return self.difference or self.ratio or self.spread or ()


@dataclass(frozen=True)
class PaperTable:
    """A table as its file has it; everything in it names something that is there."""

    path: Path
    base: tuple[str, ...]
    rows: Mapping[str, Row]
    blocks: Mapping[str, Block]
    """One of the name "" where the file has none."""
    columns: Mapping[str, Column]
    budgets: Mapping[str, Budget]
    published: Mapping[Place, Number]
    error_is: str
    replications: tuple[tuple[Replication, Mapping[Place, Number]], ...]
    differences: tuple[str, ...]
    rules: tuple[Rule, ...]
    papers: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def header(self) -> Header:
        return header(self.path)

    def places(self, budget: Budget) -> list[Place]:
        """The cells that a budget fills, row by row."""
        return [
            Place(row, block, column)
            for row, own in self.rows.items()
            for block in self.blocks
            for column, head in self.columns.items()
            if all(chosen is None or row in chosen for chosen in (budget.rows,))
            and all(chosen is None or block in chosen for chosen in (budget.blocks, own.blocks, head.blocks))
        ]

    def metric(self, place: Place) -> str:
        return self.rows[place.row].metrics.get(place.column, self.columns[place.column].metric)

    def title(self, row: str) -> str:
        return self.rows[row].name or row

    def heading(self, block: str, column: str) -> str:
        """`MNIST: nll`."""
        own = self.columns[column].name or column
        return f"{self.blocks[block].name or block}: {own}" if block else own

    def resolved(self, cell: str, rule: Rule, block: str) -> Place:
        """The cell that a rule names, in a block."""
        row, _, named = cell.partition("@")
        own, _, column = (named or rule.column).rpartition(".")
        return Place(row, own or block, column)


def rule_blocks(table: PaperTable, given: Rule) -> Iterator[str]:
    """Yield the blocks in which a rule is applied: each, or the one that is named; once where each cell names its own."""
    if not given.column and all("." in cell.partition("@")[2] for cell in (*given.order, *given.pair)):
        yield next(iter(table.blocks))
        return
    block, _, column = given.column.rpartition(".")
    own = table.columns[column].blocks if column else None
    yield from [block] if block else [b for b in table.blocks if own is None or b in own]
