"""The runs of a table under a budget: what each is, how it stands, and about how long what is left takes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pushforward import run_identity
from pushforward.errors import PushforwardError
from pushforward.launch import outlook
from pushforward.paper_tables.composed import composed
from pushforward.paper_tables.paper_table import Budget, PaperTable, Place
from pushforward.paper_tables.searches import RowSearch, row_search
from pushforward.paper_tables.table_file import NEEDS, merged, needs
from pushforward.report.eta import Estimates, makespan
from pushforward.runs import Run, runs_dir, unpack
from pushforward.sweep import devices

KINDS = {
    "done": "finished", "to measure": "to measure", "to run": "to run", "resumes": "to resume", "waits": "waits",
    "refused": "failed before", "elsewhere": "running elsewhere",
}  # fmt: skip
"""Words for how a run stands."""


@dataclass(frozen=True)
class Preset:
    """A table with a budget, its seeds and what a person overrides."""

    table: PaperTable
    name: str
    budget: Budget
    seeds: tuple[int, ...]
    overrides: tuple[str, ...] = ()
    """A person's own, of all runs."""
    config_dir: Path | None = None
    records: Path | None = None
    """A file of packed records that stands in the place of the run directories."""

    @cached_property
    def packed(self) -> Mapping[str, Run]:
        """{id: run} of `records`. Raises PushforwardError where that is no such file."""
        return {} if self.records is None else {run.id: run for run in unpack(self.records)}

    def run(self, run_id: str) -> Run:
        """The run of an id, which may not have begun."""
        return Run(runs_dir() / run_id) if self.records is None else self.packed.get(run_id, Run(self.records / run_id))

    @property
    def full(self) -> bool:
        """Whether its numbers may be held against published ones: the preset says so, and trains what it says."""
        return self.budget.full and not any(changes_training(override) for override in self.overrides)

    @property
    def places(self) -> list[Place]:
        return self.table.places(self.budget)


FREE = ("trainer", "logger", "tags", "retry", "callbacks", "metrics", "features", "measure", "density", "hydra")
"""Groups and keys of which what is trained takes nothing."""


def changes_training(override: str) -> bool:
    """Whether an override may make another run."""
    first = override.partition("=")[0].lstrip("+~").split(".")[0].split("@")[0].split("/")[0]
    return first not in FREE


@dataclass(frozen=True)
class Job:
    """A run of a row in a block with a seed, by its overrides; `{row}` in them is the run that it begins with."""

    row: str
    block: str
    seed: int
    overrides: tuple[str, ...]
    metrics: tuple[str, ...]
    """Numbers that the table takes of it."""
    search: RowSearch | None = None
    """The search that its configuration comes from."""
    found: tuple[str, ...] | None = ()
    """Overrides that the search has found; None while it has not."""


@dataclass(frozen=True)
class Planned:
    """A job and how it stands, one of `KINDS`. Of one that waits for another run nothing more is known."""

    job: Job
    kind: str
    note: str = ""
    frozen: Mapping[str, Any] | None = None
    run: Run | None = None

    @property
    def path(self) -> Path | None:
        return None if self.run is None else self.run.path


def jobs(preset: Preset) -> list[Job]:
    """Return the jobs of a preset, those that others begin with first."""
    table, budget = preset.table, preset.budget
    found: dict[tuple[str, str], list[str]] = {}
    for place in preset.places:
        if table.rows[place.row].reference is None:
            found.setdefault((place.row, place.block), []).append(table.metric(place))
    for row, block in list(found):  # the rows that they begin with, though a preset may not show them
        for other in begun(table, row):
            found.setdefault((other, block), [])
    made = []
    for (row, block), metrics in sorted(found.items(), key=lambda item: len(begun(table, item[0][0]))):
        shared = merged(
            table.base, budget.overrides, table.blocks[block].overrides, budget.of.get(block, ()),
            table.rows[row].overrides, budget.of.get(row, ()), [f"tags=[{table.name}]"], preset.overrides,
        )  # fmt: skip
        search = row_search(table, preset.name, budget, row, block, shared)
        best = [] if search is None else search.best
        for seed in preset.seeds:
            overrides = tuple(merged(shared, best or [], [f"seed={seed}"]))
            numbers = tuple(dict.fromkeys(metrics))
            made.append(Job(row, block, seed, overrides, numbers, search, None if best is None else tuple(best)))
    return made


def searches(preset: Preset) -> list[RowSearch]:
    """Return the searches that have trials left."""
    waited_for = {job.search.name: job.search for job in jobs(preset) if job.search is not None and job.found is None}
    return [search for search in waited_for.values() if search.over < search.trials]


def begun(table: PaperTable, row: str) -> list[str]:
    """Return the rows that a row begins with, and those that they begin with."""
    first = needs(table.rows[row].overrides)
    return first + [other for one in first for other in begun(table, one)]


def plan(preset: Preset) -> list[Planned]:
    """Return how each job stands; nothing is written but the cache of composed configs."""
    made = jobs(preset)
    stand: dict[tuple[str, str, int], Planned] = {}
    rounds = max((len(begun(preset.table, job.row)) for job in made), default=0)
    for depth in range(rounds + 1):  # what a run begins with is looked at before
        ready: list[Job] = []
        waiting: list[Job] = []
        for job in (job for job in made if len(begun(preset.table, job.row)) == depth):
            if job.search is not None and job.found is None:
                stand[key(job)] = Planned(job, "waits", job.search.standing)
                continue
            known = substituted(job, stand)
            (waiting if known is None else ready).append(known or job)
        for job in waiting:
            others = ", ".join(preset.table.title(row) for row in needs(job.overrides))
            stand[key(job)] = Planned(job, "waits", f"for {others}")
        name = f"{preset.table.name}-{preset.name}" + f"-{depth}" * (depth > 0)
        for job, frozen in zip(ready, frozen_of(preset, name, ready), strict=True):
            stand[key(job)] = standing(job, frozen, preset.run(run_identity.run_id(frozen)))
    return [stand[key(job)] for job in made]


def key(job: Job) -> tuple[str, str, int]:
    return job.row, job.block, job.seed


def substituted(job: Job, stand: Mapping[tuple[str, str, int], Planned]) -> Job | None:
    """Return the job with the ids of the runs that it begins with; None where one of them is not finished."""
    overrides = []
    for override in job.overrides:
        if found := NEEDS.fullmatch(override):
            first = stand.get((found[2], job.block, job.seed))
            if first is None or first.run is None or first.run.state != "finished":
                return None
            override = f"{found[1]}={first.run.id}"
        overrides.append(override)
    return replace(job, overrides=tuple(overrides))


def frozen_of(preset: Preset, name: str, made: Sequence[Job]) -> list[dict[str, Any]]:
    """Return the jobs' frozen configs. Raises PushforwardError with the row whose overrides are refused."""
    try:
        return composed(name, [job.overrides for job in made], preset.config_dir)
    except PushforwardError:
        for job in made:
            try:
                composed(f"{name}-refused", [job.overrides], preset.config_dir)
            except PushforwardError as error:
                raise PushforwardError(f"{preset.table.path}: rows.{job.row}: {error}") from None
        raise


def standing(job: Job, frozen: dict[str, Any], run: Run) -> Planned:
    """Return how a job stands whose config is known. A finished run that lacks a number is to be measured."""
    kind, note, _ = outlook(run, frozen["retry"])
    if kind == "done" and (lacking := [name for name in job.metrics if name not in run.metrics]):
        return Planned(job, "to measure", f"lacks {', '.join(lacking)}", frozen, run)
    return Planned(job, kind, note, frozen, run)


def distinct(planned: Iterable[Planned]) -> list[Planned]:
    """Return one of each run: rows may read other numbers of the same."""
    return list({(one.path or key(one.job)): one for one in planned}.values())


def seconds(preset: Preset, planned: Sequence[Planned]) -> tuple[dict[tuple[str, str, int], float], float]:
    """Return about how long each run still takes, and all of them: as runs alike took, else its part of the stated minutes."""
    runs = distinct(planned)
    left = [one for one in runs if one.kind in ("to run", "resumes", "waits")]
    if not left:
        return {}, 0.0
    estimates = Estimates()
    frozen = [dict(one.frozen) for one in left if one.frozen is not None]
    names = devices.gpus() if any(map(devices.on_gpu, frozen)) else []
    at_once = devices.at_once(frozen, None, names)
    part = 60 * preset.budget.minutes / len(runs) * at_once
    each: dict[tuple[str, str, int], float] = {}
    for one in left:
        known = None
        if one.frozen is not None:
            run = one.run
            seen = (run.status.get("images_seen") or 0) if run is not None and one.kind == "resumes" else 0
            known = estimates.seconds(one.frozen, seen)
        each[key(one.job)] = part if known is None else known
    return each, makespan([], each.values(), at_once)
