"""Many jobs, each in a process of its own: bounded parallelism, threads pinned."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pushforward import config
from pushforward.launch import CODES, freeze_to
from pushforward.sweep.jobs import Job, ended, settled, unique
from pushforward.sweep.screen import bars, show, summarise, update


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
