"""The comparison table: mean ± std over seeds from run directories, ranked only where numbers may be ranked."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.report import average_rank as ranks
from pushforward.report import budget_match, comparability, table_form
from pushforward.report.columns import chosen, collapses, value_order
from pushforward.report.ranking import compare, explain, rank, reference_rows, refusal, settle
from pushforward.report.table_layout import COLLAPSED, IMPROVING, MIXED, STALE, Cell, Column, Row, Table, key_text
from pushforward.runs import Run, by_weights

MEANT = {"=": "exact", "≤": "an upper bound", "≥": "a lower bound", "≈": "an estimate"}
MEANING = {
    IMPROVING: "still improving at the end of its budget",
    STALE: "stale: its own modules or `results` changed since (retry=stale trains it again)",
}


def build(
    runs: Sequence[Run],
    rows: Sequence[str] = ("model",),
    columns: Sequence[str] = (),
    stale: Callable[[Run], str] | None = None,
    caption: str = "",
    allow_mixed: bool = False,
    *,
    across: Sequence[str] = (),
    transpose: bool = False,
    match: str = "",
    tolerance: float | None = None,
    average_rank: bool = False,
    spread: str = "std",
    label: str = "",
    names: Mapping[str, str] | None = None,
    digits: int | None = None,
    sort: str = "",
    references: bool = True,
    elsewhere: Collection[str] = (),
) -> Table:
    """The table of `runs`: a row for each value of the config keys `rows`, a column for each metric.

    columns: names of metrics, patterns such as `fd_*`, `all`; without any the main ones.
    across: config keys; their values make groups of columns, each with its metrics. The key `weights`, in either, is the set
        of weights that numbers are of: best, last or ema, of those that runs were measured with.
    transpose: metrics as rows, and what `rows` says as columns.
    match, tolerance: rows at an equal budget alone, `images`, `parameters` or `seconds` (`budget_match.matched`).
    average_rank: a further column (`average_rank.add`).
    spread: what stands behind a mean: std, se or bootstrap.
    stale: why a run is no longer what its config trains, or an empty text (`config.stale`); such runs are marked.
    allow_mixed: numbers of one column that were not measured alike are marked and not ranked, instead of refused.
    caption, label: of LaTeX; the caption stands over the other forms too.
    names: display names of columns, keys and values of keys, by what stands there otherwise.
    digits: significant digits of the means that have no spread over seeds.
    sort: a column (`digits.bpd` of a group) or key; rows best first within a data set, the lowest first where no
        direction is better; `-COLUMN` the other way round. Rows are ranked alike in any order.
    elsewhere: what may have a display name though it stands in a picture beside the table alone.
    references: whether floor, Gaussian, mixture and memoriser stand below; no number is ranked by them.

    Raises PushforwardError where an option cannot take effect.
    """
    keys, groups = tuple(rows), tuple(across)
    runs = list(runs)
    if "weights" in (*keys, *groups):
        runs = by_weights(runs)
    _check(runs, keys, groups)
    table_form.check(caption, label, digits)
    names = dict(names or {})
    notes: list[str] = []
    if match:
        runs, notes = budget_match.matched(runs, (*keys, *groups), match, tolerance)
    if runs[0].weights and "weights" not in (*keys, *groups):
        notes.append(f"measured with weights: {runs[0].weights}")
    order = value_order(runs)
    table = Table(
        keys,
        _columns(runs, columns, groups, names),
        [],
        notes,
        caption,
        label,
        names,
        digits,
        groups,
        spread,
        transpose,
    )
    of_row = comparability.partition(runs, lambda run: _values(run, keys))
    for key in sorted(of_row, key=lambda key: tuple(map(order, key))):
        table.rows.append(_row(key, of_row[key], table, stale))
    used = {mark for row in table.rows for mark in row.marks}
    notes += [f"{mark} {text}" for mark, text in MEANING.items() if mark in used]
    several = len({run.images for run in runs}) > 1
    every = (*keys, *groups)
    differences = [d for i, c in enumerate(table.columns) for d in compare(i, c, table.rows, every, several)]
    refused = [d for d in differences if d.refused]
    if refused and not allow_mixed:
        raise PushforwardError(refusal(refused))
    settle(differences, notes)
    for i, column in enumerate(table.columns):
        with_runs = [row for row in table.rows if row.cells[i].runs]
        by_data = comparability.partition(with_runs, lambda row: comparability.data_set(row.cells[i].runs[0], every))  # noqa: B023
        for rivals in by_data.values():
            rank(i, column, rivals)
    if average_rank:
        ranks.add(table)
    by_images = comparability.partition(table.rows, lambda row: None if "data" in groups else row.runs[0].images)
    if sort:
        table_form.sort(table, sort, order)
    below = [row for data, own in by_images.items() for row in reference_rows(table, data, own, len(by_images) > 1)]
    if not references and not below:
        raise PushforwardError("--no-references: there are none below these columns")
    table.rows += below if references else []
    table_form.check_shown(table, elsewhere)
    explain(table, notes)
    notes += gaps(runs)
    return table


def _values(run: Run, keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(_hashable(run.key(key)) for key in keys)


def gaps(runs: Sequence[Run]) -> list[str]:
    """A note for each reason for which a measure failed, with the runs that lack its numbers."""
    lacking: dict[str, dict[str, None]] = {}
    for run in runs:
        for name, why in (run.record.get("failed") or {}).items():
            if name.startswith("metrics."):
                lacking.setdefault(f"{name} failed: {why}", {})[run.id] = None
    return [
        f"– {text} ({', '.join([*ids][:3])}{' …' * (len(ids) > 3)}); pushforward evaluate RUN tries again"
        for text, ids in lacking.items()
    ]


def _check(runs: Sequence[Run], keys: Sequence[str], groups: Sequence[str]) -> None:
    if not runs:
        raise PushforwardError("No runs for this table: train some, or widen the filter.")
    for flag, own in (("rows", keys), ("across", groups)):
        for key in own:
            if all(run.key(key) is None for run in runs):
                raise PushforwardError(
                    f"--{flag} {key}: no run's config has this key. Try model, data or weighting.beta."
                )
    if "weights" not in (*keys, *groups) and len({run.weights for run in runs}) > 1:
        raise PushforwardError(
            "--runs: numbers of several sets of weights would be averaged; name one (weights=last), or add weights to --rows"
        )
    if both := [key for key in groups if key in keys]:
        raise PushforwardError(f"--across {both[0]}: it is among --rows; leave it out of one of them")


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)


def _columns(
    runs: Sequence[Run], columns: Sequence[str], across: Sequence[str], names: Mapping[str, str]
) -> list[Column]:
    """The columns in order; in groups by the values of `across`, without named columns those that a group has numbers of."""
    order = value_order(runs)
    groups = comparability.partition(runs, lambda run: _values(run, across))
    wanted = chosen(runs, columns)
    made = []
    for at in sorted(groups, key=lambda at: tuple(map(order, at))):
        there = {name for run in groups[at] for name in run.metrics}
        made += [_column(name, groups[at], runs, names, at) for name in wanted if columns or name in there]
    return made


def _column(
    name: str, own: Sequence[Run], runs: Sequence[Run], names: Mapping[str, str], at: tuple[Any, ...]
) -> Column:
    found = [run.metrics[name] for run in (*own, *runs) if name in run.metrics]
    better = next((m["card"]["better"] for m in found if (m.get("card") or {}).get("better")), None)
    unit = next((m["unit"] for m in found if m.get("unit")), "")
    return Column(name, unit, better, shown=names.get(name, ""), at=at)


def _row(key: tuple[Any, ...], runs: list[Run], table: Table, stale: Callable[[Run], str] | None) -> Row:
    of_group = comparability.partition(runs, lambda run: _values(run, table.across))
    cells = [_cell(of_group.get(column.at, []), column) for column in table.columns]
    row = Row(key, cells, runs, shown=table_form.display(key, table.names))
    finished = [run for run in runs if run.metrics and run.state == "finished"]
    if any(run.record.get("improving") for run in finished):
        row.marks += IMPROVING
    if stale is not None and any(map(stale, finished)):
        row.marks += STALE
    if said := sorted({text for run in finished for text in collapses(run)}):
        row.marks += COLLAPSED
        table.notes.append(f"{COLLAPSED} {row.title} collapsed: {said[0]}")
    row.others = "; ".join(filter(None, (_without_numbers(own, at, table) for at, own in of_group.items())))
    names = {column.name for column in table.columns}
    differ = dict.fromkeys(k for own in of_group.values() for k in comparability.mixed(own) if k not in names)
    if differ:
        row.marks += MIXED
        table.notes.append(f"{MIXED} {row.title} mixes runs that differ in {', '.join(differ)}: add it to --rows")
    return row


def _without_numbers(runs: Sequence[Run], at: tuple[Any, ...], table: Table) -> str:
    """`1 diverged`, `mnist: 1 diverged, 1 failed`: the runs of a row that did not finish, or were not measured."""
    states = Counter(run.state for run in runs if not (run.metrics and run.state == "finished"))
    said = ", ".join(f"{count} {state}" for state, count in states.items())
    return ": ".join([*(table.names.get(key_text(v), key_text(v)) for v in at), said]) if said else ""


def _cell(runs: Sequence[Run], column: Column) -> Cell:
    with_value = [run for run in runs if run.value(column.name) is not None]
    found = [run.metrics[column.name] for run in runs if column.name in run.metrics and run.state == "finished"]
    if not with_value:
        reason = next((str(m["na"]) for m in found if m.get("na")), "")
        if reason:
            return Cell("n/a", note=reason, runs=list(runs))
        states = {run.state for run in runs}
        missing = found or not runs or "finished" in states
        return Cell("missing" if missing else min(states, key=_gravity), runs=list(runs))
    cell = Cell("value", tuple(float(run.metrics[column.name]["value"]) for run in with_value), runs=list(runs))
    kinds = {str((m.get("card") or {}).get("kind") or "") for m in found}
    cell.relation = relation(kinds, column.better)
    return cell


def _gravity(state: str) -> int:
    """The state that stands for several runs comes first."""
    order = ["diverged", "failed", "stopped (killed)", "stopped", "running"]
    return order.index(state) if state in order else len(order)


def relation(kinds: set[str], better: str | None) -> str:
    """The relation of the true value to the number: a lower bound on log p is an upper bound on −log p and on bits."""
    if kinds & {"at least", "at most"}:
        return "≥" if "at least" in kinds else "≤"
    if better is None:  # rate and distortion are what they are, whatever bound they add up to
        return ""
    if "estimate" in kinds:  # of seeds that were measured in several ways, the least sure
        return "≈"
    if any("bound" in kind for kind in kinds):
        return "≥" if better == "higher" else "≤"
    return "=" if "exact" in kinds else ""
