"""`conf/table/NAME.yaml`: rows as overrides, columns as measures, budgets, published numbers, rules of acceptance."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from pushforward import config
from pushforward.config_files import check_file
from pushforward.domains import keys_of, refusals, settled
from pushforward.errors import PushforwardError, near
from pushforward.paper_tables.paper_table import (
    Block,
    Budget,
    Column,
    Number,
    PaperTable,
    Place,
    Published,
    Replication,
    Row,
    Rule,
    Search,
    Tolerance,
)

NAME = re.compile(r"[A-Za-z_][\w-]*")
NEEDS = re.compile(r"(.+)=\{([\w-]+)\}")
"""`data.run={vae}`: the run of the row `vae` in the same block and with the same seed."""


@dataclass(frozen=True)
class Nodes:
    """The keys of a table's file."""

    rows: Mapping[str, Any]
    columns: Mapping[str, Any]
    budgets: Mapping[str, Any]
    base: tuple[str, ...] = ()
    blocks: Mapping[str, Any] = field(default_factory=dict)
    published: Any = None
    replications: tuple[Any, ...] = ()
    differences: tuple[str, ...] = ()
    rules: tuple[Any, ...] = ()
    papers: tuple[str, ...] = ()


def folders(config_dir: Path | None) -> list[Path]:
    """Return the folders of tables: ours, and a person's own, which comes last."""
    return [folder / config.TABLES for folder in (config.conf_dir(), *([config_dir] if config_dir else []))]


def files(config_dir: Path | None = None) -> dict[str, Path]:
    """{name: file} of all tables; a person's own takes the place of ours."""
    return {path.stem: path for folder in folders(config_dir) for path in sorted(folder.glob("*.yaml"))}


def load(name: str, config_dir: Path | None = None) -> PaperTable:
    """Return a table. Raises PushforwardError, in one line, where there is none of the name, or its file has mistakes."""
    known = files(config_dir)
    if name not in known:
        raise PushforwardError(f"there is no table {name}; {near(name, known)}")
    return read(known[name])


def read(path: Path) -> PaperTable:
    """Return the table of a file. Raises PushforwardError: the file, the key, what is wrong with it and the remedy."""
    check_file(path)
    try:
        return checked(path, node("", yaml.safe_load(path.read_text(encoding="utf-8")) or {}, Nodes))
    except PushforwardError as error:
        raise PushforwardError(f"{path}: {error}") from None


T = TypeVar("T")


def node(where: str, value: Any, schema: type[T]) -> T:
    """Return a node as an instance of its dataclass. Raises PushforwardError where it is none."""
    known = keys_of(schema)
    if not isinstance(value, Mapping):
        raise PushforwardError(f"{where or 'the file'}: write key: value; the keys are {', '.join(known)}")
    if wrong := list(refusals(where, value, known, "there is no such key")):
        raise PushforwardError("; ".join(wrong))
    needed = [f.name for f in fields(schema) if f.default is f.default_factory]  # type: ignore[arg-type]
    if missing := [key for key in needed if value.get(key) is None]:
        raise PushforwardError(f"{where or 'the file'}: it lacks {', '.join(missing)}")
    plain = {key: settled(item, known[key]) for key, item in value.items()}
    return schema(**{key: tuple(item) if isinstance(item, list) else item for key, item in plain.items()})


def named(where: str, value: Mapping[str, Any], schema: type[T]) -> dict[str, T]:
    """Return {name: instance} of a mapping of nodes; an empty one has defaults alone."""
    for name in value:
        if not NAME.fullmatch(str(name)):
            raise PushforwardError(
                f"{where}.{name}: a name has letters, digits, _ and -, and begins with none of the last two"
            )
    return {str(name): node(f"{where}.{name}", {} if own is None else own, schema) for name, own in value.items()}


def checked(path: Path, given: Nodes) -> PaperTable:
    """Return the table of what a file has. Raises PushforwardError where a part names what is not there."""
    rows, columns = named("rows", given.rows, Row), named("columns", given.columns, Column)
    blocks = named("blocks", given.blocks, Block)
    budgets = named("budgets", given.budgets, Budget)
    for what, found in (("rows", rows), ("columns", columns), ("budgets", budgets)):
        if not found:
            raise PushforwardError(f"{what}: a table has at least one")
    if both := sorted(set(rows) & set(blocks)):
        raise PushforwardError(f"blocks.{both[0]}: a row has this name")
    for name, row in rows.items():
        among(f"rows.{name}.blocks", row.blocks, blocks)
        among(f"rows.{name}.metrics", row.metrics, columns)
        if row.reference is not None and row.overrides:
            raise PushforwardError(f"rows.{name}: a reference takes no overrides")
        if row.reference is None and not row.overrides and not given.base:
            raise PushforwardError(f"rows.{name}: give overrides of its runs, or reference")
    for name, column in columns.items():
        among(f"columns.{name}.blocks", column.blocks, blocks)
    for name, budget in budgets.items():
        among(f"budgets.{name}.rows", budget.rows, rows)
        among(f"budgets.{name}.blocks", budget.blocks, blocks)
        among(f"budgets.{name}.of", budget.of, [*rows, *blocks])
        if not budget.seeds:
            raise PushforwardError(f"budgets.{name}.seeds: give at least one")
        if budget.search is not None:
            budgets[name] = replace(budget, search=searched(f"budgets.{name}.search", budget.search, rows))
    blocks = blocks or {"": Block()}
    check_needs(rows)
    published, error_is = {}, ""
    if given.published is not None:
        whole = node("published", given.published, Published)
        published, error_is = numbers("published.values", whole, rows, blocks, columns), whole.error_is
    others = []
    for i, one in enumerate(given.replications):
        replication = node(f"replications[{i}]", one, Replication)
        others.append((replication, numbers(f"replications[{i}].values", replication, rows, blocks, columns)))
    rules = tuple(rule(f"rules[{i}]", one, rows, blocks, columns, budgets) for i, one in enumerate(given.rules))
    return PaperTable(
        path, given.base, rows, blocks, columns, budgets, published, error_is, tuple(others), given.differences, rules,
        given.papers,
    )  # fmt: skip


def searched(where: str, given: Any, rows: Mapping[str, Row]) -> Search:
    """Return a budget's search. Raises PushforwardError where a row has nothing to vary, or depends on another's run."""
    search = node(where, given, Search)
    for name, row in rows.items():
        if row.reference is None and not {**search.space, **row.space}:
            raise PushforwardError(f"{where}: nothing is varied of {name}: give search.space or rows.{name}.space")
        if needs(row.overrides):
            raise PushforwardError(f"{where}: {name} begins with another row's run: it cannot be searched")
    return search


def among(where: str, names: Iterable[str] | None, known: Iterable[str]) -> None:
    """Raise PushforwardError for the first of the names that is not known."""
    for name in names or ():
        if name not in set(known):
            raise PushforwardError(f"{where}: there is no {name}; {near(str(name), list(known))}")


def needs(overrides: Iterable[str]) -> list[str]:
    """Return the rows whose runs are named in overrides."""
    return [found[2] for override in overrides if (found := NEEDS.fullmatch(override))]


def check_needs(rows: Mapping[str, Row]) -> None:
    """Raise PushforwardError where a row begins with the run of one that is not there, or in the end with its own."""
    for name, row in rows.items():
        among(f"rows.{name}.overrides", needs(row.overrides), [n for n, r in rows.items() if r.reference is None])
        path = [name]
        while after := needs(rows[path[-1]].overrides):
            if after[0] in path:
                raise PushforwardError(f"rows.{name}.overrides: {' → '.join([*path, after[0]])} is a circle")
            path.append(after[0])


def numbers(
    where: str,
    given: Published | Replication,
    rows: Mapping[str, Row],
    blocks: Mapping[str, Block],
    columns: Mapping[str, Column],
) -> dict[Place, Number]:
    """Return the numbers by cell; of a paper's those without a status or source of their own take the most's."""
    found: dict[Place, Number] = {}
    among(where, given.values, rows)
    for row, values in given.values.items():
        if not isinstance(values, Mapping):
            raise PushforwardError(f"{where}.{row}: write column: number")
        for key, value in values.items():
            there = f"{where}.{row}.{key}"
            block, column = placed(there, str(key), blocks, columns)
            number = one_number(there, value)
            if isinstance(given, Published):
                number = Number(
                    number.value,
                    number.error,
                    number.status or given.status,
                    number.source or given.source,
                    number.note,
                )
            for each in block:
                found[Place(row, each, column)] = number
    return found


def one_number(where: str, value: Any) -> Number:
    """`86.76`, `[86.76, 0.1]`, or with status, source and note of its own."""
    if isinstance(value, list):
        if len(value) != 2:
            raise PushforwardError(f"{where}={value}: a list is [number, error]")
        value = {"value": value[0], "error": value[1]}
    return node(where, value if isinstance(value, Mapping) else {"value": value}, Number)


def placed(where: str, key: str, blocks: Mapping[str, Block], columns: Mapping[str, Column]) -> tuple[list[str], str]:
    """Return the blocks and the column that `column` or `block.column` names."""
    block, _, column = key.rpartition(".")
    known = [
        f"{b}.{c}" if b else c for b in blocks for c, own in columns.items() if own.blocks is None or b in own.blocks
    ]
    if (key not in known) if block else (column not in columns):
        raise PushforwardError(f"{where}: there is no column {key}; {near(key, [*columns, *known])}")
    own = columns[column].blocks
    return [block] if block else [b for b in blocks if own is None or b in own], column


def rule(
    where: str,
    given: Any,
    rows: Mapping[str, Row],
    blocks: Mapping[str, Block],
    columns: Mapping[str, Column],
    budgets: Mapping[str, Budget],
) -> Rule:
    """Return a rule. Raises PushforwardError where it says nothing, or something of what is not there."""
    inner = dict(given) if isinstance(given, Mapping) else given
    found = node(where, inner, Rule)
    if found.within is not None:
        found = Rule(**{**inner, **vars(found), "within": node(f"{where}.within", found.within, Tolerance)})
    kinds = ("ascending", "descending", "difference", "ratio", "spread", "within")
    said = [kind for kind in kinds if getattr(found, kind) is not None]
    limited = found.above is not None or found.below is not None
    if len(said) > 1:
        raise PushforwardError(f"{where}: {' and '.join(said)}: a rule is one of them")
    if not said and not limited:
        raise PushforwardError(f"{where}: it says nothing; give it one of {', '.join(kinds)}, above, below")
    if said[:1] in (["ascending"], ["descending"], ["within"]) and limited:
        raise PushforwardError(f"{where}.{said[0]}: above and below do not go with it")
    if said[:1] in (["difference"], ["ratio"], ["spread"]) and not limited:
        raise PushforwardError(f"{where}.{said[0]}: say above or below what it is")
    if found.within is not None and not any(vars(found.within).values()):
        raise PushforwardError(f"{where}.within: give absolute, relative or errors")
    if len(found.order) == 1 or (found.spread and len(found.spread) == 1):
        raise PushforwardError(f"{where}.{said[0]}: give at least two")
    among(f"{where}.presets", found.presets, budgets)
    for cell in [*found.order, *found.pair, *(found.rows or ())]:
        row, at, named = cell.partition("@")
        among(where, [row], rows)
        if at or not found.column:
            placed(f"{where}: {cell}", named or found.column, blocks, columns)
    if found.column:
        placed(f"{where}.column", found.column, blocks, columns)
    elif not (found.order or found.pair):
        raise PushforwardError(f"{where}: it lacks column")
    return found


def merged(*parts: Sequence[str]) -> list[str]:
    """Return overrides in order, of each key the last."""
    found: dict[str, str] = {}
    for override in (one for part in parts for one in part):
        key = override.partition("=")[0]
        found.pop(key, None)
        found[key] = override
    return list(found.values())
