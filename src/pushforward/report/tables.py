"""The comparison table: mean ± std over seeds from run directories, ranked only where numbers may be ranked."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.report import comparability, table_form
from pushforward.report.columns import chosen, collapses, value_order
from pushforward.report.ranking import compare, explain, rank, reference_rows, refusal, settle
from pushforward.report.table_layout import COLLAPSED, IMPROVING, MIXED, STALE, Cell, Column, Row, Table
from pushforward.runs import Run

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
    label: str = "",
    names: Mapping[str, str] | None = None,
    digits: int | None = None,
    sort: str = "",
    references: bool = True,
    elsewhere: Collection[str] = (),
) -> Table:
    """The table of `runs`: a row for each value of the config keys `rows`, a column for each metric.

    columns: names of metrics, patterns such as `fd_*`, `all`; without any the main ones.
    stale: why a run is no longer what its config trains, or an empty text (`config.stale`); such runs are marked.
    allow_mixed: numbers of one column that were not measured alike are marked and not ranked, instead of refused.
    caption, label: of LaTeX; the caption stands over the other forms too.
    names: display names of columns, keys and values of keys, by what stands there otherwise.
    digits: significant digits of the means that have no spread over seeds.
    sort: a column or key; rows best first within a data set, the lowest first where no direction is better; `-COLUMN`
        the other way round. Rows are ranked alike in any order.
    elsewhere: what may have a display name though it stands in a picture beside the table alone.
    references: whether floor, Gaussian, mixture and memoriser stand below; no number is ranked by them.

    Raises PushforwardError where an option cannot take effect.
    """
    keys = tuple(rows)
    runs = list(runs)
    _check(runs, keys)
    table_form.check(caption, label, digits)
    names = dict(names or {})
    notes: list[str] = []
    order = value_order(runs)
    groups = comparability.partition(runs, lambda run: tuple(_hashable(run.key(key)) for key in keys))
    table = Table(
        keys, [_column(name, runs, names) for name in chosen(runs, columns)], [], notes, caption, label, names, digits
    )
    for key in sorted(groups, key=lambda key: tuple(map(order, key))):
        table.rows.append(_row(key, groups[key], table.columns, stale, names, notes))
    used = {mark for row in table.rows for mark in row.marks}
    notes += [f"{mark} {text}" for mark, text in MEANING.items() if mark in used]
    by_data = comparability.partition(table.rows, lambda row: row.runs[0].images)
    several = len({run.images for run in runs}) > 1
    differences = [d for i, c in enumerate(table.columns) for d in compare(i, c, table.rows, keys, several)]
    refused = [d for d in differences if d.refused]
    if refused and not allow_mixed:
        raise PushforwardError(refusal(refused))
    settle(differences, notes)
    for i, column in enumerate(table.columns):
        for rivals in comparability.partition(
            table.rows, lambda row: comparability.data_set(row.runs[0], keys)
        ).values():
            rank(i, column, rivals)
    if sort:
        table_form.sort(table, sort, order)
    below = [row for data, group in by_data.items() for row in reference_rows(table, data, group, len(by_data) > 1)]
    if not references and not below:
        raise PushforwardError("--no-references: there are none below these columns")
    table.rows += below if references else []
    table_form.check_shown(table, elsewhere)
    explain(table, notes)
    notes += gaps(runs)
    return table


def gaps(runs: Sequence[Run]) -> list[str]:
    """A note for each reason for which a measure failed, with the runs that lack its numbers."""
    lacking: dict[str, list[str]] = {}
    for run in runs:
        for name, why in (run.record.get("failed") or {}).items():
            if name.startswith("metrics."):
                lacking.setdefault(f"{name} failed: {why}", []).append(run.id)
    return [
        f"– {text} ({', '.join(ids[:3])}{' …' * (len(ids) > 3)}); pushforward evaluate RUN tries again"
        for text, ids in lacking.items()
    ]


def _check(runs: Sequence[Run], keys: Sequence[str]) -> None:
    if not runs:
        raise PushforwardError("No runs for this table: train some, or widen the filter.")
    for key in keys:
        if all(run.key(key) is None for run in runs):
            raise PushforwardError(f"--rows {key}: no run's config has this key. Try model, data or weighting.beta.")


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)


def _column(name: str, runs: Sequence[Run], names: Mapping[str, str]) -> Column:
    found = [run.metrics[name] for run in runs if name in run.metrics]
    better = next((m["card"]["better"] for m in found if (m.get("card") or {}).get("better")), None)
    return Column(name, next((m["unit"] for m in found if m.get("unit")), ""), better, shown=names.get(name, ""))


def _row(
    key: tuple[Any, ...],
    runs: list[Run],
    columns: list[Column],
    stale: Callable[[Run], str] | None,
    names: Mapping[str, str],
    notes: list[str],
) -> Row:
    row = Row(key, [_cell(runs, column) for column in columns], runs, shown=table_form.display(key, names))
    finished = [run for run in runs if run.metrics and run.state == "finished"]
    if any(run.record.get("improving") for run in finished):
        row.marks += IMPROVING
    if stale is not None and any(map(stale, finished)):
        row.marks += STALE
    if said := sorted({text for run in finished for text in collapses(run)}):
        row.marks += COLLAPSED
        notes.append(f"{COLLAPSED} {row.title} collapsed: {said[0]}")
    others = Counter(run.state for run in runs if run not in finished)
    row.others = ", ".join(f"{count} {state}" for state, count in others.items()) if finished else ""
    differ = [k for k in comparability.mixed(runs) if k not in columns]
    if differ:
        row.marks += MIXED
        notes.append(f"{MIXED} {row.title} mixes runs that differ in {', '.join(differ)}: add it to --rows")
    return row


def _cell(runs: Sequence[Run], column: Column) -> Cell:
    with_value = [run for run in runs if run.value(column.name) is not None]
    found = [run.metrics[column.name] for run in runs if column.name in run.metrics and run.state == "finished"]
    if not with_value:
        reason = next((str(m["na"]) for m in found if m.get("na")), "")
        if reason:
            return Cell("n/a", note=reason)
        states = {run.state for run in runs}
        return Cell("missing" if found or "finished" in states else min(states, key=_gravity))
    cell = Cell("value", tuple(float(run.metrics[column.name]["value"]) for run in with_value))
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
