"""The comparison table: mean ± std over seeds from run directories, ranked only where numbers may be ranked."""

import difflib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.report import protocol
from pushforward.report.layout import IMPROVING, MIXED, STALE, Cell, Column, Row, Table
from pushforward.report.ranking import explain, rank, references
from pushforward.runs import Run

# fmt: off
METRICS = [
    "mse", "psnr", "rate", "distortion", "neg_elbo", "bpd",
    "fd_lenet", "fd_lenet_normal", "fd_lenet_gaussian", "fd_lenet_mixture",
    "parameters", "wall_time", "images_per_second",
]
"""The order of columns; all but the last are shown where present and nothing else is asked for."""
MODELS = [
    "ae", "sparse_ae", "denoising_ae", "vae", "beta_vae", "gan", "wgan_gp", "realnvp", "spline_flow", "ddpm",
    "flow_matching",
]
# fmt: on

MEANING = {
    IMPROVING: "still improving at the end of its budget",
    STALE: "trained by other source than the present (retry=stale trains it again)",
}


def build(
    runs: Sequence[Run],
    rows: Sequence[str] = ("model",),
    columns: Sequence[str] = (),
    fingerprint: str | None = None,
    title: str = "",
) -> Table:
    """The table of `runs`: a row for each value of the config keys `rows`, a column for each metric.

    fingerprint: the present source's (`source_fingerprint()`); runs of other source are marked.
    """
    keys = tuple(rows)
    runs = list(runs)
    _check(runs, keys, columns)
    names = list(columns) or _present(runs)
    notes: list[str] = []
    groups = protocol.partition(runs, lambda run: tuple(_hashable(run.key(key)) for key in keys))
    table = Table(keys, [_column(name, runs) for name in names], [], notes, title)
    for key in sorted(groups, key=lambda key: tuple(map(order, key))):
        table.rows.append(_row(key, groups[key], table.columns, fingerprint, notes))
    used = {mark for row in table.rows for mark in row.marks}
    notes += [f"{mark} {text}" for mark, text in MEANING.items() if mark in used]
    by_data = protocol.partition(table.rows, lambda row: row.runs[0].key("data"))
    for i, column in enumerate(table.columns):
        for group in by_data.values():
            rank(i, column, group, notes)
    for data, group in by_data.items():
        table.rows += references(table, data, group, len(by_data) > 1)
    explain(table, notes)
    return table


def _check(runs: Sequence[Run], keys: Sequence[str], columns: Sequence[str]) -> None:
    if not runs:
        raise PushforwardError("No runs for this table: train some, or widen the filter.")
    for key in keys:
        if all(run.key(key) is None for run in runs):
            raise PushforwardError(f"--rows {key}: no run's config has this key. Try model, data or weighting.beta.")
    known = dict.fromkeys([*(name for run in runs for name in run.metrics), *METRICS])
    for name in columns:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3) or list(known)[:5]
            raise PushforwardError(f"--columns {name}: no run has this metric. Nearest: {', '.join(near)}.")


def _present(runs: Sequence[Run]) -> list[str]:
    present = dict.fromkeys(name for run in runs for name in run.metrics)
    return [name for name in METRICS[:-1] if name in present] or sorted(present)


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)


def order(value: Any) -> tuple[int, float, str]:
    """Models in the order in which they are taught, then numbers by size, then text; what is absent comes last."""
    if value in MODELS:
        return 0, MODELS.index(value), ""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return (3, 0, "") if value is None else (2, 0, str(value))


def _column(name: str, runs: Sequence[Run]) -> Column:
    found = [run.metrics[name] for run in runs if name in run.metrics]
    better = next((m["card"]["better"] for m in found if (m.get("card") or {}).get("better")), None)
    return Column(name, next((m["unit"] for m in found if m.get("unit")), ""), better)


def _row(key: tuple[Any, ...], runs: list[Run], columns: list[Column], source: str | None, notes: list[str]) -> Row:
    row = Row(key, [_cell(runs, column) for column in columns], runs)
    finished = [run for run in runs if run.metrics]
    if any(run.record.get("improving") for run in finished):
        row.marks += IMPROVING
    if source is not None and any(run.stale(source) for run in finished):
        row.marks += STALE
    others = Counter(run.state for run in runs if run not in finished)
    row.others = ", ".join(f"{count} {state}" for state, count in others.items()) if finished else ""
    differ = [k for k in protocol.mixed(runs) if k not in columns]
    if differ:
        row.marks += MIXED
        notes.append(f"{MIXED} {row.label} mixes runs that differ in {', '.join(differ)}: add it to --rows")
    return row


def _cell(runs: Sequence[Run], column: Column) -> Cell:
    with_value = [run for run in runs if run.value(column.name) is not None]
    found = [run.metrics[column.name] for run in runs if column.name in run.metrics]
    if not with_value:
        reason = next((str(m["na"]) for m in found if m.get("na")), "")
        if reason:
            return Cell("n/a", note=reason)
        states = {run.state for run in runs}
        return Cell("missing" if found or "finished" in states else min(states, key=_gravity))
    cell = Cell("value", tuple(float(run.metrics[column.name]["value"]) for run in with_value))
    kinds = {str((m.get("card") or {}).get("kind") or "") for m in found}
    cell.relation = _relation(kinds, column.better)
    return cell


def _gravity(state: str) -> int:
    """The state that stands for several runs comes first."""
    order = ["diverged", "failed", "stopped (killed)", "stopped", "running"]
    return order.index(state) if state in order else len(order)


def _relation(kinds: set[str], better: str | None) -> str:
    """How the true value stands to the number: a lower bound on log p is an upper bound on −log p and on bits."""
    if any("bound" in kind for kind in kinds):
        return "≥" if better == "higher" else "≤"
    return "≈" if "estimate" in kinds else "=" if "exact" in kinds else ""
