"""The terminal view of a sweep: a line at the start, a bar a job while it runs, a summary at the end."""

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import ProgressColumn, Task, TaskID
from rich.text import Text

from pushforward.crash_report import RESUMES, SYSTEM
from pushforward.launch import CODES
from pushforward.report.bars import bars, terms
from pushforward.report.eta import Estimates, duration, remaining, together, took
from pushforward.report.status import STYLES, main_metric
from pushforward.runs import Run
from pushforward.sweep.jobs import ELSEWHERE, FINISHED, Job, say_more, unique

SECONDS = 0.5
"""The seconds between two reads of the running jobs' status."""
LEFT_SECONDS = 3.0
"""The seconds between two estimates of the sweep's time left."""
MOST = 40
"""Jobs that each have a line in the summary; of more only those that did not finish."""


def show(jobs: list[Job], waiting: list[Job], at_once: int) -> None:
    done = sum(job.state == FINISHED for job in unique(jobs))
    print(f"{len(jobs)} jobs: {done} finished before, {len(waiting)} to run, {at_once} at a time", flush=True)
    say_more(jobs)


class Amount(ProgressColumn):
    """Jobs of the sweep; per cent of a job."""

    def render(self, task: Task) -> Text:
        if task.fields["sweep"]:
            return Text(f"{task.completed:.0f} of {task.total:.0f}")
        return Text(f"{task.percentage:.0f}%" if task.total and task.completed else "", justify="right")


class Left(ProgressColumn):
    """Time left, measuring included: of a job as it goes, of the sweep as its jobs are expected to take."""

    def render(self, task: Task) -> Text:
        if task.fields["sweep"]:
            seconds = task.fields["left"]
            return Text(f"about {duration(seconds)} left" if seconds else "")
        if not task.completed:
            return Text("starting")
        rest = task.time_remaining if task.fields["left"] is None else task.fields["left"]
        if task.finished:
            return Text("measuring" + (f", {duration(rest)} left" if rest else ""))
        return Text("" if rest is None else f"{duration(rest)} left")


class Screen:
    """A bar for the sweep and one for each running job; a plain line for each that ends where there is no terminal.

    All that it knows of a running job it reads from the job's files.
    """

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs, self.estimates = jobs, Estimates()
        self.progress = bars(Amount(), Left(), Console(file=sys.stderr))
        self.sweep = self.progress.add_task("sweep", total=len(unique(jobs)), sweep=True, left=None, terms="")
        self.tasks: dict[Path, TaskID] = {}
        self.over = {job.path for job in jobs if over(job)}
        self.read = self.reckoned = -1e9

    def __enter__(self) -> "Screen":
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.update()
        self.progress.stop()

    def update(self) -> None:
        """Say what has ended since, and where the running ones are."""
        now = time.monotonic()
        ended = [job for job in unique(self.jobs) if over(job) and job.path not in self.over]
        self.over |= {job.path for job in ended}
        for job in ended:
            if job.path in self.tasks:
                self.progress.remove_task(self.tasks.pop(job.path))
            self.estimates.forget()
            self.reckoned = -1e9
            self.tell(job)
        self.progress.update(self.sweep, completed=len(self.over))
        if now - self.read > SECONDS and not self.progress.disable:
            self.read = now
            for job in unique(self.jobs):
                if job.state == "running":
                    self.follow(job)
        if now - self.reckoned > LEFT_SECONDS and not self.progress.disable:
            self.reckoned = now
            self.progress.update(self.sweep, left=self.left())

    def follow(self, job: Job) -> None:
        """Move a running job's bar to where its status says it is."""
        status = Run(job.path).status
        if job.path not in self.tasks:
            self.tasks[job.path] = self.progress.add_task(job.path.name, total=None, sweep=False, left=None, terms="")
        latest = status.get("latest") or {}
        self.progress.update(
            self.tasks[job.path], total=status.get("budget_images"), completed=status.get("images_seen") or 0,
            terms=str(status.get("stage") or terms(latest)),
            left=remaining(Run(job.path), job.frozen, self.estimates),
        )  # fmt: skip

    def tell(self, job: Job) -> None:
        """A line for a job that has ended: its main number, or why it has none; how far the sweep is."""
        what = main_metric(Run(job.path)) if job.state == "finished" else job.error if job.code else ""
        if not self.progress.disable:
            style = STYLES.get(job.state.split()[0], "")
            line = Text.assemble((f"{job.state:<10} ", style), f"{job.path.name}  {what}")
            self.progress.console.print(line, no_wrap=True, overflow="ellipsis")
            return
        seconds = self.left()
        far = f"{len(self.over)} of {len(unique(self.jobs))}"
        far += f", about {duration(seconds)} left" if seconds else ""
        print(f"{job.state:<10} {job.path.name}  {what}  ({far})", flush=True)

    def left(self) -> float | None:
        """Return the seconds until all jobs are done: running ones as their images go, waiting ones as such runs took."""
        running: list[float | None] = []
        waiting: list[float | None] = []
        for job in unique(self.jobs):
            if job.state == "running":
                rest = remaining(Run(job.path), job.frozen, self.estimates)
                task = self.progress.tasks[self.index(job)] if job.path in self.tasks else None
                rest = task.time_remaining if rest is None and task is not None else rest
                running.append(job.expected if rest is None else rest)
            elif job.state == "waiting":
                known = self.estimates.seconds(job.frozen)
                waiting.append(job.expected if known is None else known)
        finished = [job for job in unique(self.jobs) if job.state == "finished"]
        ended = [seconds for job in finished if (seconds := took(Run(job.path)))]
        return together(running, waiting, ended, max(1, len(running)))

    def index(self, job: Job) -> int:
        return self.progress.task_ids.index(self.tasks[job.path])


def over(job: Job) -> bool:
    return job.state not in ("waiting", "running", ELSEWHERE)


def interrupted(job: Job) -> bool:
    """Whether a person or a scheduler stopped the job, or the sweep before its turn."""
    return job.state in ("stopped", "not started") and job.code != SYSTEM


def summarise(jobs: list[Job]) -> None:
    """Every job with its main number, or why it has none and where its log is; of many jobs those that did not finish."""
    every, counts = unique(jobs), dict[str, int]()
    for job in every:
        counts[job.state] = counts.get(job.state, 0) + 1
    twice = f" ({len(jobs)} jobs are {len(every)} run{'s' * (len(every) != 1)})" if len(jobs) > len(every) else ""
    print("sweep: " + ", ".join(f"{n} {state}" for state, n in counts.items()) + twice, flush=True)
    for job in every:
        if not job.code and len(every) <= MOST:
            print(
                f"  {job.state}: {job.path.name} ({job.overrides})  {main_metric(Run(job.path))}".rstrip(), flush=True
            )
    for job in every:
        if job.code:
            log = f"\n    log: {job.log}" if job.log.is_file() and not interrupted(job) else ""
            print(f"  {job.state}: {job.path.name} ({job.overrides}): {job.error}{log}", flush=True)
    if any(map(interrupted, every)):
        print(f"interrupted{RESUMES}", flush=True)


def finish(jobs: list[Job]) -> list[int]:
    """Sum up. Returns the exit codes, also of jobs that are the same run."""
    for job in jobs:
        twin = next(j for j in jobs if j.path == job.path)
        job.state, job.code, job.cause = twin.state, twin.code, twin.cause
    summarise(jobs)
    CODES.extend(job.code for job in jobs)
    return [job.code for job in jobs]
