"""A job of a sweep: its frozen config, its run directory, and how it stands."""

import contextlib
import io
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pushforward import config
from pushforward.crash_report import BUSY, SYSTEM
from pushforward.errors import Busy
from pushforward.launch import asked_more, standing
from pushforward.runs import KILLED, Run, RunDir, runs_dir
from pushforward.untrusted_text import line

ELSEWHERE = "running elsewhere"
FINISHED = "skipped (finished)"
CODES = {"finished": 0, "failed": 1, "diverged": 1, "stopped": 130}
"""Exit codes of runs by how they ended."""


class Process(Protocol):
    """A job's process; its exit code is minus the signal that killed it."""

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Job:
    """One job of a sweep: its frozen config, the overrides that made it, and how it stands."""

    frozen: dict[str, Any]
    overrides: str
    path: Path = field(init=False)
    state: str = "waiting"
    code: int = 0
    cause: str = ""
    """Why it did not finish, where neither its run's status nor its log can say."""
    expected: float | None = None
    """About how many seconds it takes in whole, by a step that was tried."""
    devices: list[str] = field(default_factory=list)
    """GPUs handed out to it."""
    logged: str = "job.log"
    stack: int | None = None
    """Jobs of one number are trained as one, in one process."""
    process: Process | None = None
    stopping: bool = False
    """Whether it was asked to stop."""
    memory_kills: int = 0
    """The number of kills for memory by the kernel when it began."""

    def __post_init__(self) -> None:
        self.path = runs_dir() / config.run_id(self.frozen)

    @property
    def log(self) -> Path:
        return self.path / self.logged

    @property
    def error(self) -> str:
        """One line: why it did not finish."""
        told = self.cause or Run(self.path).status.get("error")
        if self.state in ("stopped", "not started"):  # the last line that it printed is no cause
            return told or "interrupted"
        return told or last_line(self.log) or f"exit code {self.code}"


def jobs_of(frozen: list[dict[str, Any]], overrides: list[str], threads: Callable[[dict[str, Any]], int]) -> list[Job]:
    """Return a Job each; `threads`: those of each process of a run that names none. They change bits, so they are recorded."""
    jobs = [Job(f, o) for f, o in zip(frozen, overrides, strict=True)]
    for job in jobs:
        if job.frozen["trainer"]["threads"] is None:
            job.frozen["trainer"]["threads"] = threads(job.frozen)
    return jobs


def unique(jobs: list[Job]) -> list[Job]:
    return list({job.path: job for job in reversed(jobs)}.values())[::-1]


def settled(job: Job) -> bool:
    """Whether a job needs no training now; quietly, unlike a single run. `running elsewhere`: another process trains it."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            code = standing(job.path, job.frozen)
    except Busy as error:
        job.state, job.code, job.cause = ELSEWHERE, 1, str(error)
        return True
    job.cause = ""
    if code is None:
        job.state, job.code = "waiting", 0
        return False
    job.state, job.code = (FINISHED if code == 0 else f"skipped ({Run(job.path).state})"), code
    return True


def say_more(jobs: list[Job]) -> None:
    """Print what is asked of runs that had finished before, beside their training."""
    for said in asked_more((Run(job.path), job.frozen) for job in unique(jobs) if job.state == FINISHED):
        print(said, flush=True)


def ended(job: Job) -> None:
    """Take note of a process's end."""
    assert job.process is not None
    code = job.process.poll()
    if code is None:
        return
    state = Run(job.path).state
    if job.stack is not None and (code == 0 or state in CODES):  # each replica's end is its own
        if state == "running":
            job.state, job.code, job.cause = ELSEWHERE, 1, "another process is training it"
        else:
            job.state, job.code = state, CODES.get(state, 1)
        return
    job.code = code
    if code == BUSY:
        job.state, job.code, job.cause = ELSEWHERE, 1, "another process is training it"  # it came first by a moment
    elif state == "finished":  # the signal came when there was nothing left to stop
        close(job, code, state)
    elif code < 0 and job.stopping:
        job.state, job.cause = "stopped", "interrupted"
        note_stopped(job.path)
    elif code < 0:
        job.state = f"killed by signal {-code}"
        names = {int(number): number.name for number in signal.Signals}
        no_memory = code == -signal.SIGKILL and memory_kills() > job.memory_kills
        job.cause = f"killed by {names.get(-code, -code)}" + ": the machine ran out of memory" * no_memory
    else:
        close(job, code, state)


def close(job: Job, code: int, state: str) -> None:
    """Note the end of a job's own process: a run is finished where its status says so, whatever the exit code."""
    job.state, job.code = state if state in CODES else "failed", code
    if code == SYSTEM:  # its status may be what could not be written
        job.state, job.cause = "stopped", Run(job.path).status.get("error") or last_line(job.log)
    elif state == "finished":
        job.code = 0
    elif not code:
        job.code = CODES[job.state]
        job.cause = Run(job.path).status.get("error") or f"its process exited with 0, and the run is {state}"


def note_stopped(path: Path) -> None:
    """A run that its sweep killed, since it took too long to stop, was stopped by a person."""
    run = RunDir(path)
    if run.state == KILLED and run.lock.acquire():
        try:
            run.set_status(state="stopped", error="interrupted")
        finally:
            run.lock.release()


def last_line(path: Path) -> str:
    try:
        lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return line(lines[-1]) if lines else ""


def memory_kills() -> int:
    """Return how many processes the kernel has killed for memory since the machine started; 0 where it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text(encoding="utf-8").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
