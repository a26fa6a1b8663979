"""What happens between blocks of training: curves, validation, best weights, checkpoints, pictures, signals, status."""

import math
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger

from pushforward.data import DataModule
from pushforward.engine.players import TOTAL
from pushforward.errors import described
from pushforward.families import Family
from pushforward.parallel import world
from pushforward.runs import CurveWriter, RunDir
from pushforward.signals import STOPPING, Requests, reason
from pushforward.training import checkpoints, loggers
from pushforward.training.callbacks import Callbacks, begin_validation, end_validation, states
from pushforward.training.console import say
from pushforward.training.selection import Selector

STATUS_SECONDS = 1.0
"""How often the status file is written at the most."""


@dataclass
class Plan:
    """When things happen, in images seen; and how far the run goes."""

    cycles: int
    images: int
    log_blocks: int
    validate_images: float
    pictures_images: float | None
    checkpoint_share: float = 1.0
    """At most this share of the time goes into writing checkpoints; 1: one is written at every validation."""
    settled_images: float = 0.0
    """Nothing is chosen before: the objective still changes. Infinite where it does at the budget's end."""
    max_seconds: float = math.inf
    """Training stops at the end of the block in which so many seconds of this process have passed."""


@dataclass
class Outcome:
    """How training stands, and what to say of it: `running` until something ends it or the counters have reached the plan.

    finished, stopped (by a signal), diverged, failed. Who ends a run early on purpose sets the state and the reason.
    """

    state: str = "running"
    reason: str | None = None
    seconds: float = 0.0
    images: int = 0
    signal: int = 0
    early: dict[str, Any] | None = None
    """Which callback ended a finished run, and at how many images of how many."""


@dataclass
class Best:
    """The best validation value so far, where it was seen, and the values of every validation."""

    value: float = math.inf
    images_seen: int = 0
    history: list[float] = field(default_factory=list)


class RunCallback(pl.Callback):
    """Runs between blocks. All that it decides is a function of images seen, so a resumed run does the same."""

    def __init__(
        self,
        run: RunDir,
        data: DataModule,
        plan: Plan,
        selector: Selector,
        mirrors: list[Logger],
        restored: dict[str, Any] | None,
        draw_pictures: Callable[[Family, int], None],
        callbacks: Callbacks | None = None,
    ) -> None:
        self.run, self.data, self.plan, self.selector, self.mirrors = run, data, plan, selector, mirrors
        self.restored, self.draw_pictures = restored, draw_pictures
        self.callbacks = callbacks or {}
        """The person's own, which Lightning calls before this one."""
        self.outcome = Outcome()
        self.best = Best(**restored["best"]) if restored else Best()
        self.chief = world()[0] == 0
        self.curves: CurveWriter | None = None
        self.latest: dict[str, float] = {}
        self.requests = Requests()
        self.ended_by: StopIteration | None = None
        """What a loop took for the end of the data: in a person's code it is an error."""
        self.written = 0.0
        self.saved, self.cost = -math.inf, 0.0
        """When the last checkpoint was written, and how long that took."""
        self.share = 1.0
        """The run's part of this process's time: others may be trained with it."""
        self.pending: dict[str, float] = {}
        """What callbacks have logged since the last block ended: it becomes a row of the curves."""
        self.kept: dict[str, Any] | None = None
        """The best weights, where they are better than those on disk."""

    # Start -----------------------------------------------------------------------------------------------------------

    def setup(self, trainer: pl.Trainer, family: Family, stage: str) -> None:  # type: ignore[override]
        """Callbacks are as the checkpoint left them once all are set up: Lightning's order."""
        for name, state in ((self.restored or {}).get("callbacks") or {}).items():
            self.callbacks[name].load_state_dict(state)

    def open(self, family: Family) -> None:
        """Goes on from the checkpoint, where there is one, and opens the curves."""
        self.chief = world()[0] == 0
        if self.restored is not None:
            checkpoints.restore(family, self.restored)
            self.outcome.seconds = self.restored["seconds"]
        if self.chief:
            self.curves = self.run.curve_writer()
            self.curves.cut(family.progress.images_seen)
            if self.restored is not None and self.restored.get("curves") not in (None, self.curves.checksum):
                say(
                    self.run,
                    "metrics.csv is damaged: curves up to here lack rows or are wrong; the weights are not concerned",
                )

    def on_train_start(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        """From here on signals are remembered until a block has ended; Lightning has set its own handlers, and resets them."""
        self.requests.patient = True
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                if signal.getsignal(number) != signal.SIG_IGN:
                    signal.signal(number, self.requests.take)
        self.watch(trainer)
        self.begin(family)

    def watch(self, trainer: pl.Trainer) -> None:
        """Remembers a StopIteration out of a step, a callback or the data: Lightning's loop ends at one without a word."""
        loop = trainer.fit_loop.epoch_loop
        advance = loop.advance

        def watched(*args: Any) -> None:
            try:
                advance(*args)
            except StopIteration as error:
                self.ended_by = error
                raise

        loop.advance = watched  # type: ignore[method-assign, assignment]

    def begin(self, family: Family) -> None:
        """The clock starts."""
        self.device = family.device
        self.clock = time.perf_counter()
        self.marked = (self.clock, family.progress.images_seen)

    # Between blocks --------------------------------------------------------------------------------------------------

    def on_train_batch_end(self, trainer: pl.Trainer, family: Family, *args: Any) -> None:  # type: ignore[override]
        seen = family.progress.images_seen
        last = family.progress.cycles >= self.plan.cycles
        before = seen - args[1].batch.x.shape[0] * args[1].batch.x.shape[1] * world()[1]
        early = trainer.should_stop  # a callback has asked for it at the end of this block
        validate = last or early or self.passed(before, seen, self.plan.validate_images)
        stop = self.stopping(family.device)
        if validate or stop or (args[1].index + 1) % self.plan.log_blocks == 0:
            self.log_terms(family, seen)
        if validate or stop:
            self.check_weights(family)
        if self.outcome.state == "diverged":
            trainer.should_stop = True
            return
        if validate:
            by = self.validate(family, seen)
            if trainer.should_stop and not last:
                by = by or (next(iter(self.callbacks)) if len(self.callbacks) == 1 else "a callback")
                self.outcome.early = {"by": by, "images_seen": seen, "of_images": self.plan.images}
                self.outcome.state, last = "finished", True
        self.flush(seen)
        if validate or stop:
            self.checkpoint(family, at_once=last or stop)
        if (
            self.plan.pictures_images
            and self.chief
            and self.passed(before, seen, self.plan.pictures_images)
            and not last
        ):
            self.draw_pictures(family, seen)
        if stop and not last:
            self.outcome.state, self.outcome.signal = "stopped", self.requests.taken
            by = "trainer.max_time" if self.overtime else "another process"
            self.outcome.reason = reason(self.requests.taken) if self.requests.taken else f"stopped by {by}"
            trainer.should_stop = True
        self.tell(family)

    @staticmethod
    def passed(before: int, seen: int, every: float) -> bool:
        return math.floor(seen / every) > math.floor(before / every)

    @property
    def overtime(self) -> bool:
        return time.perf_counter() - self.clock > self.plan.max_seconds

    def stopping(self, device: torch.device) -> bool:
        """Whether any process was asked to stop, or its time is over."""
        asked = bool(self.requests.taken) or self.overtime
        if world()[1] == 1:
            return asked
        flag = torch.tensor(float(asked), device=device)
        torch.distributed.all_reduce(flag)
        return bool(flag)

    def log_terms(self, family: Family, seen: int) -> None:
        """A row of means since the last one; the first value that is not finite ends the run."""
        assert family.stepper is not None
        self.note_terms(family, *family.stepper.history.take(), seen)

    def note_terms(self, family: Family, means: dict[str, float], bad: tuple[str, int] | None, seen: int) -> None:
        """Writes a row of the curves; bad: the first value that is not finite, as (player/term, step)."""
        assert family.stepper is not None
        if bad is not None:
            (name, step), self.outcome.state = bad, "diverged"
            player, term = name.split("/", 1)
            what = f"what player {player} minimises" if term == TOTAL else f"{term} of player {player}"
            self.outcome.reason = f"{what} is not finite from step {step} on"
        if means:
            row = {f"train/{name.removeprefix('model/')}": value for name, value in means.items()}
            row.update({f"lr/{name}": float(o.param_groups[0]["lr"]) for name, o in family.stepper.optimizers.items()})
            now, (then, before) = time.perf_counter(), self.marked
            self.marked = (now, seen)
            self.write(row, seen, images_per_second=(seen - before) / max(now - then, 1e-9))

    def check_weights(self, family: Family) -> None:
        """A last step may spoil weights and leave every term finite: what is not finite is never saved."""
        assert family.stepper is not None
        for name, parameters in family.stepper.parameters.items():
            # a finite sum has finite parts, and costs least to ask for; one that is not may have overflowed
            sums = torch.stack([p.detach().sum(dtype=torch.float32) for p in parameters]).sum()
            if not bool(sums.isfinite()) and not all(bool(p.isfinite().all()) for p in parameters):
                self.note_weights(family, name)

    def note_weights(self, family: Family, player: str) -> None:
        """The weights of a player are not finite."""
        if self.outcome.state != "diverged":
            self.outcome.state = "diverged"
            step = family.progress.steps[player] - 1
            self.outcome.reason = f"the weights of player {player} are not finite after step {step}"

    def validate(self, family: Family, seen: int) -> str | None:
        """Validates, and shows callbacks what came of it. Returns the name of one that asked to stop."""
        if not self.callbacks:
            self.note_values(family, self.selector.measure(family, self.data), seen)
            return None
        begin_validation(self.callbacks, family.trainer, family)
        values = self.selector.measure(family, self.data)
        self.note_values(family, values, seen)
        return end_validation(self.callbacks, family.trainer, family, values, seen >= self.plan.settled_images)

    def note_values(self, family: Family, values: dict[str, float], seen: int) -> None:
        """Writes validation's values; the weights are the best so far where the criterion is the lowest."""
        if not values:
            return
        self.write({f"val/{name}": v for name, v in values.items()}, seen)
        value = values.get("criterion")  # nothing chooses where there is none
        if value is None or seen < self.plan.settled_images:
            return
        self.best.history.append(value)
        if value < self.best.value:
            self.best.value, self.best.images_seen = value, seen
            if self.chief:
                self.kept = checkpoints.snapshot(family)

    def due(self, at_once: bool) -> bool:
        """Whether this process may write a checkpoint: `at_once`, or when writing has taken little of the time."""
        if not self.chief or at_once:
            return self.chief
        return (time.perf_counter() - self.saved) * self.plan.checkpoint_share * self.share >= self.cost

    def checkpoint(self, family: Family, at_once: bool = False) -> None:
        """Writes the best weights, and then all that is needed to go on: unless it is `at_once`, not too often."""
        if not self.due(at_once):
            return
        began = time.perf_counter()
        self.keep_best()  # first: a kill in between leaves better ones than `last` knows, which it will find again
        seconds = self.outcome.seconds + self.share * (began - self.clock)
        own = {"callbacks": states(self.callbacks), "early": self.outcome.early} if self.callbacks else {}
        assert self.curves is not None
        checkpoints.save(
            self.run.checkpoints / checkpoints.LAST, family,
            best=asdict(self.best), seconds=seconds, curves=self.curves.checksum, **own,
        )  # fmt: skip
        self.saved = time.perf_counter()
        self.cost = self.saved - began

    def keep_best(self) -> None:
        """Writes the best weights where they are better than those on disk."""
        if self.kept is not None:
            checkpoints.write(self.run.checkpoints / checkpoints.BEST, self.kept)
            self.kept = None

    def flush(self, seen: int) -> None:
        """Writes what callbacks have logged: at a block's end, so that the curves are those of its checkpoint."""
        if self.pending:
            row, self.pending = self.pending, {}
            self.write(row, seen)

    def write(self, row: dict[str, float], seen: int, **speed: float) -> None:
        """A row of the curves; speed: for loggers alone, since it is another in every repetition."""
        self.latest.update(row)
        if self.chief:
            assert self.curves is not None
            self.curves.append(seen, row)
            for mirror in self.mirrors:
                loggers.log_numbers(mirror, row | speed, seen)

    def tell(self, family: Family) -> None:
        """The status file, at most once a second."""
        now = time.monotonic()
        if self.chief and now - self.written > STATUS_SECONDS:
            self.written = now
            # of the clock on the wall: runs that are trained as one share a process
            seconds = self.outcome.seconds / self.share + time.perf_counter() - self.clock
            self.run.set_status(
                False, state="running", images_seen=family.progress.images_seen, latest=self.shown(), train_seconds=seconds,
            )  # fmt: skip

    def shown(self) -> dict[str, float]:
        return {k.split("/", 1)[1]: v for k, v in self.latest.items() if k.startswith("train/") and math.isfinite(v)}

    def closing(self) -> dict[str, float]:
        """What a line on the run says at its end: the chosen weights' criterion on validation, else the last means."""
        if math.isfinite(self.best.value):
            return {"val/criterion": self.best.value}
        return self.shown()

    @property
    def trained(self) -> bool:
        """Whether the checkpoint is that of a run's last step: nothing is left to train."""
        state = self.restored or {}
        return bool(state) and (state["progress"]["cycles"] >= self.plan.cycles or bool(state.get("early")))

    def already_trained(self, family: Family) -> None:
        """The run was killed after its last step and before its record."""
        assert self.restored is not None
        family.configure_optimizers()
        checkpoints.restore(family, self.restored)
        self.outcome.seconds, self.outcome.images = self.restored["seconds"], family.progress.images_seen
        self.outcome.early = self.restored.get("early")
        self.settle(family)

    # End -------------------------------------------------------------------------------------------------------------

    def on_train_end(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        self.flush(family.progress.images_seen)
        self.close(family)

    def close(self, family: Family) -> None:
        """Training has ended."""
        self.settle(family)
        self.outcome.seconds += self.share * (time.perf_counter() - self.clock)
        self.outcome.images = family.progress.images_seen
        self.keep_best()  # a run that has diverged writes no other checkpoint
        if self.curves is not None:
            self.curves.close()

    def settle(self, family: Family) -> None:
        """Says how training ended where nothing has said it yet: finished if the counters have reached the plan."""
        if self.outcome.state != "running":
            return
        if family.progress.cycles >= self.plan.cycles or self.outcome.early:
            self.outcome.state = "finished"
            return
        self.outcome.state = "failed"
        self.outcome.reason = f"training ended at {family.progress.images_seen:,} of {self.plan.images:,} images: " + (
            f"{described(self.ended_by)} ended the loop" if self.ended_by else "a callback or the data stopped it"
        )

    @property
    def improving(self) -> bool:
        """Whether the last fifth of the validations still lowered the best value by more than 1 % of all that was gained."""
        values = [v for v in self.best.history if math.isfinite(v)]
        if len(values) < 5:
            return False
        tail = max(1, len(values) // 5)
        before, after = min(values[:-tail]), min(values[-tail:])
        return before - after > 0.01 * max(values[0] - before, 1e-12)
