"""Jobs one after another in this process: for a debugger. A job that raises is still its own affair; a killed one is not."""

import sys
from typing import Any

from pushforward import config
from pushforward.errors import PushforwardError
from pushforward.launch import freeze_to, fresh
from pushforward.runs import Run
from pushforward.sweep import sweep_screen
from pushforward.sweep.jobs import Job, close, settled, unique


def run_jobs(frozen: list[dict[str, Any]], overrides: list[str], fail_fast: bool = False) -> list[int]:
    """Run the jobs that are not finished. Returns the exit codes. A signal ends the job and the sweep."""
    jobs = [Job(f, o, logged="console.log") for f, o in zip(frozen, overrides, strict=True)]
    waiting = [job for job in unique(jobs) if not settled(job)]
    if waiting:
        config.calm(waiting[0].frozen)  # before torch is imported
        from pushforward.training.dry_run import rehearse

        for job, seconds in zip(waiting, rehearse([job.frozen for job in waiting]), strict=True):
            job.expected = seconds
    sweep_screen.show(jobs, waiting, 1)
    stop = False
    for job in waiting:
        if stop:
            job.state, job.code, job.cause = "not started", 130, "the sweep was stopped before its turn"
            continue
        run(job)
        stop = job.state == "stopped" or (fail_fast and job.code != 0)
    return sweep_screen.finish(jobs)


def run(job: Job) -> None:
    """Train a job here and now; several processes start from a command line of their own."""
    print(f"\n{job.overrides}", flush=True)
    try:
        if config.devices(job.frozen) > 1 or job.frozen["trainer"]["strategy"] != "auto":
            code = fresh(job.frozen, job.path)
        else:
            freeze_to(job.frozen, job.path)
            from pushforward.training.train import train

            code = train(job.frozen, job.path)
        close(job, code, Run(job.path).state)
    except PushforwardError as error:
        print(f"error: {error}", file=sys.stderr)
        job.state, job.code, job.cause = "failed", 2, str(error)
