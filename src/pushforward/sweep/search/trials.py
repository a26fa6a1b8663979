"""Runs the trials of a search, a few at a time: starts their runs, watches their validation, tells what became of them."""

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from pushforward import config, machine
from pushforward.atomic_files import write_whole
from pushforward.crash_report import RESUMES
from pushforward.errors import PushforwardError
from pushforward.launch import CODES
from pushforward.runs import Run, RunDir
from pushforward.sweep.jobs import ELSEWHERE, Job, settled
from pushforward.sweep.local.process_pool import Pool, measure
from pushforward.sweep.search.objective import Unmeasured, settled_images, unmeasured, validations, value
from pushforward.sweep.search.study import Asked, Pruning, Study
from pushforward.sweep.sweep_screen import Screen

Compose = Callable[[dict[str, Any]], dict[str, Any]]
LOOK_SECONDS = 0.5
"""The seconds between two reads of a running trial's curve."""


class Attempt:
    """A trial of this process and its run, which another process may be training."""

    def __init__(self, asked: Asked, job: Job, maximize: bool) -> None:
        self.asked, self.job, self.pruning = asked, job, Pruning(asked, maximize)
        self.told = self.over = False
        self.looked = 0.0

    def worthless(self) -> bool:
        """Whether the run's validations so far are reason to prune the trial."""
        run = Run(self.job.path)
        return self.pruning.look(validations(run), run.status.get("budget_images"))


class Search:
    """The trials of a study that fall to this process, `settings.parallel` at a time.

    compose: a proposal -> its frozen config; before: called once, ahead of the first run that is started; arrange:
    numbers the stacks of jobs that are trained as one: then a batch of trials is asked for when the last is over, and
    none is pruned before its end.
    """

    def __init__(
        self, study: Study, compose: Compose, pool: Pool, before: Callable[[], object] | None = None,
        arrange: Callable[[list[Job]], None] | None = None,
    ) -> None:  # fmt: skip
        self.study, self.settings, self.compose, self.pool, self.before = study, study.settings, compose, pool, before
        self.arrange = arrange
        self.attempts: list[Attempt] = []
        self.codes: list[int] = []

    def run(self) -> list[int]:
        """Return the exit codes of this process's trials: 0 complete or pruned, 1 failed, 130 stopped."""
        nothing_left = False
        with self.pool.stop, Trials(self.pool.jobs) as shown:
            try:
                while True:
                    open_to_more = self.arrange is None or not self.attempts
                    while (
                        open_to_more
                        and not (nothing_left or self.pool.stop())
                        and len(self.attempts) < self.settings.parallel
                    ):
                        nothing_left = not self.take()
                    if self.arrange is not None and open_to_more:
                        self.arrange(self.pool.waiting)
                    if not self.attempts:
                        break
                    self.step()
                    shown.update()
                    if any(attempt.over for attempt in self.attempts):
                        nothing_left = False  # a process that died meanwhile may have left a trial
                        self.attempts = [attempt for attempt in self.attempts if not attempt.over]
                        self.pool.jobs[:] = [attempt.job for attempt in self.attempts]
            except BaseException:
                self.abandon()
                raise
        CODES.extend(self.codes)
        return self.codes

    def take(self) -> bool:
        """Ask for a trial and queues its run. False where no trial is left."""
        asked = self.study.ask()
        if asked is None:
            return False
        frozen = self.compose(asked.params)
        if frozen["trainer"]["threads"] is None:
            frozen["trainer"]["threads"] = machine.threads(self.pool.at_once * config.devices(frozen))
        if self.settings.name not in frozen["tags"]:
            frozen["tags"] = [*frozen["tags"], self.settings.name]
        job = Job(frozen, said(asked.params))
        asked.trial.set_user_attr("run", job.path.name)
        attempt = Attempt(asked, job, self.settings.objectives[0].maximize)
        self.attempts.append(attempt)
        self.write_status()
        self.pool.jobs.append(job)
        if any(a.job.path == job.path for a in self.attempts[:-1]):
            job.state = ELSEWHERE  # the same run for another trial: looked at again once that is over
        elif not settled(job) and not (self.settings.pruner and asked.adopted and attempt.worthless()):
            if self.before is not None:
                self.before()
                self.before = None
            self.pool.waiting.append(job)
        elif job.state == "waiting":
            job.state = "stopped"  # it had been found worthless by a process that was killed before it said so
        return True

    def step(self) -> None:
        """Let the pool work, prune trials, and report those that have ended."""
        if any(attempt.job.state in ("waiting", "running", ELSEWHERE) for attempt in self.attempts):
            self.pool.step()
        for attempt in self.attempts:
            if attempt.job.state == "running":
                watched = self.settings.pruner and attempt.job.stack is None and not attempt.told
                if watched and time.monotonic() - attempt.looked > LOOK_SECONDS:
                    attempt.looked, attempt.told = time.monotonic(), attempt.worthless()
                    if attempt.told:  # it saves a checkpoint, and can be taken up again
                        assert attempt.job.process is not None
                        attempt.job.process.terminate()
            elif attempt.job.state not in ("waiting", ELSEWHERE):
                attempt.over = True
                self.conclude(attempt)
            elif self.pool.stop():
                attempt.over = True
                self.stopped(attempt.asked)

    def conclude(self, attempt: Attempt) -> None:
        """Tell the study what became of a trial whose run has ended."""
        asked, run, state = attempt.asked, Run(attempt.job.path), Run(attempt.job.path).state
        if self.settings.pruner and attempt.worthless():
            step = attempt.pruning.pruned_at
            why = f"pruned by study {self.settings.name}, trial {asked.number}, after validation {step}"
            if state == "stopped":
                mark(run, why)
            self.study.tell(asked, None, TrialState.PRUNED, f"{why}; its run is {state}")
            self.codes.append(0)
            self.say(asked, f"pruned after validation {step}")
        elif state == "finished":
            if self.settings.pruner and not validations(run):
                why = "this model validates nothing to prune by; set selection.metric, such as fd_lenet,"
                if math.isinf(settled_images(run)):
                    why = "its objective changes to the end of the budget, and nothing is pruned before; raise the budget,"
                raise PushforwardError(f"study.pruner={self.settings.pruner}: {why} or study.pruner=none")
            if missing := unmeasured(run, self.settings.objectives):
                print(f"trial {asked.number:>3}  {run.id} was trained before; measuring it for {missing}", flush=True)
                measure(self.pool.server(), attempt.job)
                run = Run(run.path)
            try:
                values = [value(run, o.source) for o in self.settings.objectives]
            except Unmeasured as error:
                return self.failed(asked, str(error))
            self.study.tell(asked, values, TrialState.COMPLETE)
            self.codes.append(0)
            self.say(
                asked, "  ".join(f"{o.name} {v:.6g}" for o, v in zip(self.settings.objectives, values, strict=True))
            )
        elif state == "stopped":  # by a signal to it or to us: the next process resumes it
            self.stopped(asked)
        else:
            self.failed(asked, attempt.job.error)

    def stopped(self, asked: Asked) -> None:
        self.codes.append(130)
        print(f"trial {asked.number:>3}  stopped{RESUMES}", flush=True)

    def failed(self, asked: Asked, why: str) -> None:
        self.study.tell(asked, None, TrialState.FAIL, why)
        self.codes.append(1)
        self.say(asked, f"failed: {why}")

    def say(self, asked: Asked, text: str) -> None:
        trials = self.write_status()
        best = best_of(trials, self.study.directions)
        more = f"  best {best.value:.6g} (trial {best.number})" if best is not None else ""
        print(f"trial {asked.number:>3}  {text}{more}  {said(asked.params)}", flush=True)

    def write_status(self) -> list[FrozenTrial]:
        """`status.json`: how the study stands, for whoever reads files."""
        trials = self.study.trials()
        count = {state.name.lower(): sum(t.state == state for t in trials) for state in TrialState}
        best = best_of(trials, self.study.directions)
        status = {
            "name": self.settings.name,
            "trials": self.study.total,
            "complete": count["complete"], "pruned": count["pruned"], "failed": count["fail"],
            "running": count["running"],
            "metric": [o.name for o in self.settings.objectives],
            "best": None if best is None else {"trial": best.number, "value": best.value, "run": best.user_attrs.get("run")},
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip
        write_whole(self.study.folder / "status.json", json.dumps(status, indent=1) + "\n")
        return trials

    def abandon(self) -> None:
        """An error of ours: runs are stopped and keep their checkpoints; their trials wait for the next process."""
        self.pool.stop.request()
        while self.pool.running:
            self.pool.step()


class Trials(Screen):
    """Bars of the running trials."""

    def tell(self, job: Job) -> None:
        """The end of a trial is reported by the search itself."""


def best_of(trials: list[FrozenTrial], directions: list[str]) -> FrozenTrial | None:
    """Return the best complete trial, the first of equals; None where there is none or there are several metrics."""
    done = [t for t in trials if t.state == TrialState.COMPLETE]
    if len(directions) > 1 or not done:
        return None
    return (max if directions[0] == "maximize" else min)(done, key=lambda t: t.value or 0.0)


def said(params: dict[str, Any]) -> str:
    """Return a proposal as overrides of a command line."""
    return " ".join(f"{key}={v if isinstance(v, str) else json.dumps(v)}" for key, v in params.items())


def mark(run: Run, why: str) -> None:
    """Write into a stopped run's status why it was stopped."""
    writer = RunDir(run.path)
    if writer.lock.acquire():
        try:
            writer.set_status(error=why)
        finally:
            writer.lock.release()
