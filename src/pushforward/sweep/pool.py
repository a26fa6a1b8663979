"""Many jobs, each in a process of its own: bounded parallelism, threads pinned, a table while it runs, a summary at the end."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pushforward import config
from pushforward.errors import PushforwardError
from pushforward.launch import CODES, freeze_to, standing
from pushforward.runs import Run, runs_dir


@dataclass
class Job:
    """One job of a sweep: its frozen config, the overrides that made it, and how it stands."""

    frozen: dict[str, Any]
    overrides: str
    path: Path = field(init=False)
    process: subprocess.Popen[bytes] | None = None
    state: str = "waiting"
    code: int = 0

    def __post_init__(self) -> None:
        self.path = runs_dir() / config.run_id(self.frozen)

    @property
    def log(self) -> Path:
        return self.path / "job.log"


def run_jobs(frozen: list[dict[str, Any]], overrides: list[str], folder: Path, parallel: int | None) -> list[int]:
    """Runs the jobs that are not finished, `parallel` at a time; a job's failure is its own. Returns the exit codes.

    Ctrl-C and SIGTERM are handed to the running jobs, which checkpoint and stop.
    """
    cores = os.cpu_count() or 1
    most = max((config.devices(f) for f in frozen), default=1)
    at_once = parallel or max(1, cores // most)
    jobs = [Job(f, o) for f, o in zip(frozen, overrides, strict=True)]
    for job in jobs:
        if job.frozen["trainer"]["threads"] is None:
            job.frozen["trainer"]["threads"] = max(1, cores // min(at_once, len(jobs)) // config.devices(job.frozen))
    waiting = [job for job in unique(jobs) if not settled(job)]
    if waiting:
        from pushforward.training.rehearsal import rehearse

        rehearse([job.frozen for job in waiting])
    show(jobs, waiting, at_once)
    stop = Stop()
    with stop, bars(jobs) as (progress, tasks):
        running: list[Job] = []
        while (waiting and not stop.asked) or running:
            while waiting and len(running) < at_once and not stop.asked:
                running.append(begin(waiting.pop(0)))
            if stop.asked:
                stop.tell(running)
            for job in running:
                ended(job)
            running = [job for job in running if job.state == "running"]
            update(progress, tasks, jobs)
            time.sleep(0.1)
    for job in jobs:  # the same run asked for twice
        twin = next(j for j in jobs if j.path == job.path)
        job.state, job.code = twin.state, twin.code
    summarise(jobs)
    CODES.extend(job.code for job in jobs)
    return [job.code for job in jobs]


def unique(jobs: list[Job]) -> list[Job]:
    return list({job.path: job for job in reversed(jobs)}.values())[::-1]


def settled(job: Job) -> bool:
    """Whether a job needs no training; quietly, unlike a single run."""
    import contextlib
    import io

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            code = standing(job.path, job.frozen)
    except PushforwardError:
        job.state, job.code = "running elsewhere", 1
        return True
    if code is None:
        return False
    job.state, job.code = ("skipped (finished)" if code == 0 else f"skipped ({Run(job.path).state})"), code
    return True


def begin(job: Job) -> Job:
    """Starts a job in a session of its own, its output in its log."""
    file = freeze_to(job.frozen, job.path)
    threads = str(job.frozen["trainer"]["threads"])
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    with job.log.open("ab") as log:
        job.process = subprocess.Popen(
            [sys.executable, "-m", "pushforward.job", str(file)],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment, start_new_session=True,
        )  # fmt: skip
    job.state = "running"
    return job


def ended(job: Job) -> None:
    """Takes note of a process's end."""
    assert job.process is not None
    code = job.process.poll()
    if code is None:
        return
    job.code = code
    state = Run(job.path).state
    job.state = state if state in ("finished", "failed", "diverged", "stopped") else f"killed by signal {-code}"
    if code and state == "finished":
        job.state = "failed"


class Stop:
    """Ctrl-C and SIGTERM, remembered and handed on once."""

    def __init__(self) -> None:
        self.asked = 0
        self.told = False

    def __enter__(self) -> "Stop":
        self.old = {number: signal.signal(number, self.take) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.old.items():
            signal.signal(number, handler)

    def take(self, number: int, frame: Any) -> None:
        self.asked = number

    def tell(self, running: list[Job]) -> None:
        if not self.told:
            for job in running:
                assert job.process is not None
                job.process.send_signal(signal.SIGTERM)
        self.told = True


# What a person sees --------------------------------------------------------------------------------------------------


def show(jobs: list[Job], waiting: list[Job], at_once: int) -> None:
    done = sum(job.state.startswith("skipped (finished)") for job in jobs)
    print(f"{len(jobs)} jobs: {done} finished before, {len(waiting)} to run, {at_once} at a time", flush=True)


class bars:
    """A bar for the sweep and one for each running job; plain lines where the output is no terminal."""

    def __init__(self, jobs: list[Job]) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=28), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=Console(file=sys.stderr), disable=not sys.stderr.isatty(), transient=True,
        )  # fmt: skip
        self.tasks: dict[Path, TaskID] = {}
        self.tasks[Path()] = self.progress.add_task("sweep", total=len(jobs), note="")

    def __enter__(self) -> tuple[Progress, dict[Path, TaskID]]:
        self.progress.start()
        return self.progress, self.tasks

    def __exit__(self, *error: object) -> None:
        self.progress.stop()


def update(progress: Progress, tasks: dict[Path, TaskID], jobs: list[Job]) -> None:
    over = sum(job.state not in ("waiting", "running") for job in jobs)
    progress.update(tasks[Path()], completed=over)
    for job in jobs:
        if job.state == "running":
            status = Run(job.path).status
            if job.path not in tasks:
                tasks[job.path] = progress.add_task(job.path.name, total=None, note="")
            terms = "  ".join(f"{k} {v:.4g}" for k, v in (status.get("latest") or {}).items())
            progress.update(
                tasks[job.path], total=status.get("budget_images"), completed=status.get("images_seen") or 0, note=terms
            )
        elif job.path in tasks:
            progress.remove_task(tasks.pop(job.path))
            if progress.disable:
                print(f"{job.state:<10} {job.path.name}", flush=True)
            else:
                progress.console.print(f"{job.state:<10} {job.path.name}", highlight=False)


def summarise(jobs: list[Job]) -> None:
    """Counts, and for every job that did not finish its cause and where its log is."""
    counts: dict[str, int] = {}
    for job in jobs:
        counts[job.state] = counts.get(job.state, 0) + 1
    print("sweep: " + ", ".join(f"{n} {state}" for state, n in counts.items()), flush=True)
    for job in unique(jobs):
        if job.code:
            error = Run(job.path).status.get("error") or last_line(job.log) or f"exit code {job.code}"
            print(f"  {job.state}: {job.path.name} ({job.overrides}): {error}\n    log: {job.log}", flush=True)


def last_line(path: Path) -> str:
    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""
