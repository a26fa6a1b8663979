"""`pushforward train … --plan`: what a command would do, and about how long; nothing is started or written."""

import shutil
import tempfile
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from pushforward import config
from pushforward.errors import PushforwardError
from pushforward.launch import asked_more, measures_anew, outlook
from pushforward.report.eta import Estimates, duration, makespan
from pushforward.report.plain_tables import add, plain, say
from pushforward.report.terminal import console
from pushforward.runs import Run, data_name, runs_dir
from pushforward.sweep import devices

MOST = 40
"""Jobs that have a line each; more are counted by model and data."""

ASKED: ContextVar[str] = ContextVar("ASKED", default="")
"""The form of what is only planned now: "one" run or "many" jobs."""


def plan(args: list[str]) -> int:
    """`pushforward train ARGS --plan`: Hydra composes all jobs, a single run like a sweep of one. Returns the exit code."""
    from pushforward.command_line import hydra_train, several

    folder = tempfile.mkdtemp(prefix="pushforward-plan-")  # where Hydra notes down a sweep
    asked = ASKED.set("many" if several(args) else "one")
    try:
        return hydra_train([*args, *([] if several(args) else ["-m"])], Path(folder))
    finally:
        ASKED.reset(asked)
        shutil.rmtree(folder, ignore_errors=True)  # a refused command has tidied it away


@dataclass
class Planned:
    """A job, how it stands, and the seconds it would take: 0 where there is nothing to do, None where nobody knows."""

    path: Path
    overrides: str
    model: str
    data: str
    kind: str
    """done, to run, resumes, refused (failed, and not to be tried again), elsewhere"""
    note: str
    seconds: float | None


UNKNOWN = "no run of the same model, data and network has finished here"
KINDS = {
    "done": "finished", "to run": "to run", "resumes": "to resume", "refused": "failed before", "elsewhere": "running elsewhere"
}  # fmt: skip


def show(frozen: list[dict[str, Any]], overrides: Sequence[str], parallel: int | None) -> list[int]:
    """Print what would be done; a launcher calls it in the place of running. Returns exit codes, all 0."""
    if ASKED.get() == "one" and len(frozen) > 1:
        raise PushforwardError(f"{len(frozen)} jobs, and one run was asked for: several values of a key take -m")
    check(frozen)
    estimates = Estimates()
    jobs: dict[Path, Planned] = {}
    for one, said in zip(frozen, overrides, strict=True):
        job = planned(one, said, estimates)
        jobs.setdefault(job.path, job)
    names = devices.gpus() if any(map(devices.on_gpu, frozen)) else []
    at_once = devices.at_once(frozen, parallel, names)
    found = list(jobs.values())
    say(console(), each(found) if len(found) <= MOST else grouped(found), total(found, len(frozen), at_once))
    finished = {path: one for one in frozen if jobs[path := runs_dir() / config.run_id(one)].kind == "done"}
    for line in asked_more((Run(path), one) for path, one in finished.items()):
        print(line, flush=True)
    return [0] * len(frozen)


def check(frozen: Sequence[dict[str, Any]]) -> None:
    """Raise PushforwardError with the values that the command itself would refuse, of jobs that it would look at."""
    asked: list[dict[str, Any]] = []
    for one in frozen:
        run = Run(runs_dir() / config.run_id(one))
        asked.append(measures_anew(run, one) if run.state == "finished" else one)
    if any(asked):  # torch is imported for it
        from pushforward.training.signatures import check_jobs

        check_jobs([one for one in asked if one])


def planned(frozen: dict[str, Any], overrides: str, estimates: Estimates) -> Planned:
    """Return how a job stands, and the seconds it would take."""
    run = Run(runs_dir() / config.run_id(frozen))
    kind, note, _ = outlook(run, frozen["retry"])
    start = (run.status.get("images_seen") or 0) if kind == "resumes" else 0
    seconds = estimates.seconds(frozen, start) if kind in ("to run", "resumes") else 0.0
    return Planned(run.path, overrides, str(frozen["choices"]["model"]), str(data_name(frozen)), kind, note, seconds)


def each(jobs: Sequence[Planned]) -> Table:
    """Return a line a job."""
    table = plain("run", "what is asked", "stands", "about", "")
    for job in jobs:
        add(table, job.path.name, job.overrides, KINDS[job.kind], about(job), job.note)
    return table


def grouped(jobs: Sequence[Planned]) -> Table:
    """Return a line for each model and data set, with how many jobs stand how."""
    kinds = [kind for kind in KINDS if any(job.kind == kind for job in jobs)]
    table = plain("model", "data", "jobs", *(KINDS[kind] for kind in kinds), "about")
    for model, data in dict.fromkeys((job.model, job.data) for job in jobs):
        group = [job for job in jobs if (job.model, job.data) == (model, data)]
        counts = [str(sum(job.kind == kind for job in group) or "") for kind in kinds]
        known = [job.seconds for job in group if job.seconds is not None]
        time = duration(sum(known)) if any(known) else "" if len(known) == len(group) else "unknown"
        add(table, model, data, str(len(group)), *counts, time)
    return table


def about(job: Planned) -> str:
    return "unknown" if job.seconds is None else duration(job.seconds) if job.seconds else ""


def total(jobs: Sequence[Planned], asked: int, at_once: int) -> str:
    """`40 jobs: 12 finished, 28 to run; about 35 min, 2 at a time. Nothing was started (--plan).`"""
    counts = {kind: sum(job.kind == kind for job in jobs) for kind in KINDS}
    text = f"{len(jobs)} job{'s' * (len(jobs) != 1)}: " + ", ".join(f"{n} {KINDS[k]}" for k, n in counts.items() if n)
    if asked > len(jobs):
        text += f" ({asked - len(jobs)} asked for twice)"
    doing = [job for job in jobs if job.kind in ("to run", "resumes")]
    known = [job.seconds for job in doing if job.seconds is not None]
    if known:
        text += f"; about {duration(makespan([], known, at_once))}" + f", {at_once} at a time" * (len(doing) > 1)
    if len(known) < len(doing):
        which = f" of {len(doing) - len(known)} of them" if known else ""
        text += f"; time{which} unknown: {UNKNOWN}"
    return text + ". Nothing was started (--plan)."


def trials_time(base: dict[str, Any], trials: int, parallel: int) -> str:
    """`; about 20 min`: what the trials of a search take, each like a run of its base."""
    seconds = Estimates().seconds(base)
    if seconds is None:
        return f"; time unknown: {UNKNOWN}"
    return f"; about {duration(makespan([], [seconds] * trials, parallel))}"
