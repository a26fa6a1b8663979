"""A job of a sweep: its frozen config, its run directory, its process, and how it stands."""

import contextlib
import io
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pushforward import config
from pushforward.errors import PushforwardError
from pushforward.launch import standing
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


def unique(jobs: list[Job]) -> list[Job]:
    return list({job.path: job for job in reversed(jobs)}.values())[::-1]


def settled(job: Job) -> bool:
    """Whether a job needs no training; quietly, unlike a single run."""
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
