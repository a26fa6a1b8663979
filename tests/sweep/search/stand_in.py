"""Searches whose runs take no time: they write what a run would. Run as a script, this is the process that is killed."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pushforward.runs import Run, RunDir, runs_dir
from pushforward.sweep.devices import Devices
from pushforward.sweep.jobs import Job, settled
from pushforward.sweep.local.process_pool import Pool
from pushforward.sweep.search.study import Study
from pushforward.sweep.search.study_config import Settings, settings
from pushforward.sweep.search.trials import Search

SPACE = {"x": {"float": [-1, 1]}, "lr": {"log": [1e-4, 1e-1]}, "width": {"int": [1, 8]}, "net": {"choice": ["a", "b"]}}
VALIDATIONS = 6


def frozen(params: dict[str, Any]) -> dict[str, Any]:
    """What a composed config has of what a search looks at."""
    trainer = {"threads": 1, "devices": 1, "accelerator": "cpu", "strategy": "auto"}
    more = {
        "tags": [],
        "retry": None,
        "data": {},
        "model": dict(params),
        "logger": None,
        "features": None,
        "metrics": None,
    }
    return {"choices": {"model": "vae", "data": "digits"}, "seed": 1, "trainer": trainer, **more}


def loss(params: dict[str, Any]) -> float:
    return (
        (params["x"] - 0.3) ** 2 + (np.log10(params["lr"]) + 2) ** 2 + 0.01 * params["width"] + (params["net"] == "b")
    )


def train(job: Job, until: Callable[[float], bool] = lambda seen: False) -> None:
    """Writes a run: its curve falls to its loss. `until`: asked after each validation whether a signal has come."""
    run = RunDir.create(job.path, job.frozen)
    run.set_status(state="running", budget_images=VALIDATIONS)
    curve = run.curve_writer()
    curve.cut(0)
    final = loss(job.frozen["model"])
    for step in range(1, VALIDATIONS + 1):
        rest = (VALIDATIONS - step) * (0.5 + final)
        curve.append(step, {"val/criterion": final + rest, "val/kl": final, "val/reconstruction": 1 / (0.1 + final)})
        if until(step):
            curve.close()
            run.set_status(state="stopped", error="stopped by SIGTERM")
            return
    curve.close()
    run.write_record({"mse": {"value": final, "unit": "", "card": {"better": "lower", "split": "test"}, "na": None}})
    run.set_status(state="finished", images_seen=VALIDATIONS)


class Inline(Pool):
    """Trains jobs here and now, and writes a line for each into `trained.txt`.

    until: after so many it waits for a line of input, with a run trained of which the study has not been told.
    """

    def __init__(self, parallel: int = 1, until: int = 0, work: Callable[[Job], None] = train) -> None:
        super().__init__([], parallel, Devices([]), warm=False, fail_fast=False, memory_gb=None)
        self.left, self.work = until, work

    def step(self) -> None:
        if not self.waiting:
            time.sleep(0.01)
            for job in self.elsewhere():
                if not settled(job):
                    self.waiting.append(job)
        while self.waiting and not self.stop():
            job = self.waiting.pop(0)
            lock = RunDir(job.path).lock
            if not lock.acquire():
                job.state = "running elsewhere"
                continue
            self.work(job)
            with (runs_dir().parent / "trained.txt").open("a") as file:
                file.write(f"{job.path.name}\n")
            self.left -= 1
            if self.left == 0:
                print("waiting", flush=True)
                sys.stdin.readline()
            lock.release()
            job.state = Run(job.path).state


def wanted(name: str = "s", **more: Any) -> Settings:
    return settings({"trials": 30, "space": SPACE, "sampler": "tpe", **more}, name)


def search(folder: Path, asked: Settings, parallel: int = 1, **how: Any) -> Study:
    """A search to its end; the study, closed."""
    with Study(asked, folder) as study:
        Search(study, frozen, Inline(parallel, **how)).run()
    return study


if __name__ == "__main__":
    os.fsync = lambda _: None
    search(Path(sys.argv[1]), wanted(sampler=sys.argv[3]), until=int(sys.argv[2]))
