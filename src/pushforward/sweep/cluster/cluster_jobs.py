"""What launchers on clusters share: what is left to run, and what became of it."""

from collections.abc import Callable
from typing import Any

from pushforward.launch import CODES
from pushforward.runs import KILLED, Run
from pushforward.sweep.jobs import Job, say_more, settled, unique
from pushforward.sweep.sweep_screen import summarise


def jobs_of(frozen: list[dict[str, Any]], overrides: list[str], threads: Callable[[dict[str, Any]], int]) -> list[Job]:
    """A Job each; `threads`: those of each process of a run that does not say. They change bits, so they are written down."""
    jobs = [Job(f, o) for f, o in zip(frozen, overrides, strict=True)]
    for job in jobs:
        if job.frozen["trainer"]["threads"] is None:
            job.frozen["trainer"]["threads"] = threads(job.frozen)
    return jobs


def rehearse(jobs: list[Job]) -> None:
    """Tries every distinct job here. Raises PushforwardError. Whether there are GPUs is another machine's question."""
    if not jobs:
        return
    from pushforward.training.dry_run import rehearse

    rehearse([job.frozen for job in jobs], here=False)


def unfinished(jobs: list[Job]) -> list[Job]:
    left = [job for job in unique(jobs) if not settled(job)]
    say_more(jobs)
    return left


def over(job: Job, where: str) -> None:
    """Notes how a job ended, as its run directory tells. where: a file to look at if that is silent."""
    state = Run(job.path).state
    if state == "finished":
        job.state, job.code = state, 0
        return
    job.state, job.code = state.split(" ")[0], 1
    if state in ("new", "queued"):
        job.state, job.cause = "failed", f"it ended before it began: see {where}"
    elif state == KILLED:
        job.cause = f"killed: out of memory or time, or by hand: see {where}"


def finish(jobs: list[Job]) -> list[int]:
    """Sums up. Returns the exit codes."""
    for job in jobs:  # the same run asked for twice
        twin = next(j for j in jobs if j.path == job.path)
        job.state, job.code, job.cause = twin.state, twin.code, twin.cause
    summarise(jobs)
    CODES.extend(job.code for job in jobs)
    return [job.code for job in jobs]
