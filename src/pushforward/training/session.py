"""A run while it is trained: how far it is, what ended it, and what it writes of itself."""

import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from pushforward.atomic_files import CurveWriter
from pushforward.data import DataModule
from pushforward.engine import Means
from pushforward.engine.players import TOTAL
from pushforward.errors import described
from pushforward.families import Family
from pushforward.parallel import rank, world
from pushforward.runs import RunDir
from pushforward.signals import Requests, reason
from pushforward.training import checkpoints
from pushforward.training.callbacks import Callbacks, states
from pushforward.training.console import say
from pushforward.training.loggers import Mirror
from pushforward.training.missing_results import Gaps
from pushforward.training.plan import Plan
from pushforward.training.selection import Selector

STATUS_SECONDS = 1.0
"""The least number of seconds between two writes of the status file."""


@dataclass
class Outcome:
    """The state of training, and the message about it: `running` until something ends it or the counters have reached the plan.

    finished, stopped (by a signal), diverged, failed. Who ends a run early on purpose sets the state and the reason.
    """

    state: str = "running"
    reason: str | None = None
    seconds: float = 0.0
    images: int = 0
    signal: int = 0
    early: dict[str, Any] | None = None
    """The callback that ended a finished run, and at how many images of how many."""


@dataclass
class Best:
    """The best validation value so far, where it was seen, and the values of every validation."""

    value: float = math.inf
    images_seen: int = 0
    history: list[float] = field(default_factory=list)

    @property
    def improving(self) -> bool:
        """Whether the last fifth of the validations still lowered the value by more than 1 % of all that was gained."""
        values = [v for v in self.history if math.isfinite(v)]
        if len(values) < 5:
            return False
        tail = max(1, len(values) // 5)
        before, after = min(values[:-tail]), min(values[-tail:])
        return before - after > 0.01 * max(values[0] - before, 1e-12)


class Session:
    """A run while it is trained, alone or in a stack: what its config has built, its clock, and its files.

    requests: the signals that ask it to stop; runs that are trained as one share them.
    restored: the checkpoint to resume from. callbacks: the person's own.
    """

    def __init__(
        self, frozen: dict[str, Any], run: RunDir, data: DataModule, family: Family, plan: Plan, selector: Selector,
        mirrors: list[Mirror], callbacks: Callbacks, restored: dict[str, Any] | None, requests: Requests,
    ) -> None:  # fmt: skip
        self.frozen, self.run, self.data, self.family, self.plan = frozen, run, data, family, plan
        self.selector, self.mirrors, self.callbacks = selector, mirrors, callbacks
        self.restored, self.requests = restored, requests
        self.outcome = Outcome()
        self.best = Best(**restored["best"]) if restored else Best()
        self.execution: dict[str, Any] = {"executed": "alone"}
        """The way it was trained, for the record."""
        self.gaps: Gaps = {}
        """The measures and pictures that failed."""
        self.chief = rank() == 0
        self.share = 1.0
        """The run's part of this process's time: others may be trained with it."""
        self.ended_by: StopIteration | None = None
        """An exception that a loop takes for the end of the data: in a user's code it is an error."""
        self.curves: CurveWriter | None = None
        self.latest: dict[str, float] = {}
        self.pending: dict[str, float] = {}
        """Values that callbacks have logged since the last block ended: it becomes a row of the curves."""
        self.unsaved: dict[str, Any] | None = None
        """The best weights, where they are better than those on disk."""
        self.told = 0.0
        """The time at which the status file was last written."""
        self.waited_before = 0.0
        """Seconds in which what the run was before it resumed has waited for its data."""
        self.saved, self.cost = -math.inf, 0.0
        """The time at which the last checkpoint was written, and the seconds that it took."""

    # Start -----------------------------------------------------------------------------------------------------------

    @property
    def trained(self) -> bool:
        """Whether the checkpoint is that of a run's last step: nothing is left to train."""
        state = self.restored or {}
        return bool(state) and (state["progress"]["cycles"] >= self.plan.cycles or bool(state.get("early")))

    def restore_trained(self) -> None:
        """Restores a run that was killed after its last step and before its record."""
        assert self.restored is not None
        self.family.configure_optimizers()
        checkpoints.restore(self.family, self.restored)
        self.outcome.seconds, self.outcome.images = self.restored["seconds"], self.family.progress.images_seen
        self.waited_before = self.restored.get("waited", 0.0)
        self.outcome.early = self.restored.get("early")
        self.settle()

    def open(self) -> None:
        """Restores the checkpoint, where there is one, and opens the curves."""
        self.chief = world()[0] == 0
        if self.restored is not None:
            checkpoints.restore(self.family, self.restored)
            self.outcome.seconds = self.restored["seconds"]
            self.waited_before = self.restored.get("waited", 0.0)
        if self.chief:
            self.curves = self.run.curve_writer()
            self.curves.cut(self.family.progress.images_seen)
            if self.restored is not None and self.restored.get("curves") not in (None, self.curves.checksum):
                say(
                    self.run,
                    "metrics.csv is damaged: curves up to here lack rows or are wrong; the weights are not concerned",
                )

    def begin(self) -> None:
        """Starts the clock."""
        self.device = self.family.device
        self.clock = time.perf_counter()
        self.seen = self.family.progress.images_seen
        """Images seen at the end of the last block."""
        self.marked = (self.clock, self.seen)

    # Between blocks --------------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Seconds of training so far, of which runs that are trained as one have a share each."""
        return self.outcome.seconds + self.share * (time.perf_counter() - self.clock)

    @property
    def waited(self) -> float:
        """Seconds of them in which it has waited for its data."""
        return self.waited_before + self.data.waited

    @property
    def overtime(self) -> bool:
        return time.perf_counter() - self.clock > self.plan.max_seconds

    def stopping(self) -> bool:
        """Whether any process was asked to stop, or its time is over."""
        asked = bool(self.requests.taken) or self.overtime
        if world()[1] == 1:
            return asked
        flag = torch.tensor(float(asked), device=self.device)
        torch.distributed.all_reduce(flag)
        return bool(flag)

    def stop(self) -> None:
        """Ends the run by a signal, by its time or with another process; the same command resumes."""
        self.outcome.state, self.outcome.signal = "stopped", self.requests.taken
        if self.requests.taken:
            self.outcome.reason = reason(self.requests.taken)
        else:
            self.outcome.reason = f"stopped by {'trainer.max_time' if self.overtime else 'another process'}"

    def end_early(self, by: str) -> None:
        """Ends the run as finished, at the wish of a callback."""
        self.outcome.state = "finished"
        self.outcome.early = {"by": by, "images_seen": self.seen, "of_images": self.plan.images}

    def note_terms(self, found: Means) -> None:
        """Writes a row of the curves: means since the last one. The first value that is not finite ends the run."""
        if found.spoilt is not None:
            (name, step), self.outcome.state = found.spoilt, "diverged"
            player, term = name.split("/", 1)
            what = f"what player {player} minimises" if term == TOTAL else f"{term} of player {player}"
            self.outcome.reason = f"{what} is not finite from step {step} on"
        if found.terms:
            row = {f"train/{name.removeprefix('model/')}": value for name, value in found.terms.items()}
            optimizers = self.family.get_stepper().optimizers
            row.update({f"lr/{name}": float(o.param_groups[0]["lr"]) for name, o in optimizers.items()})
            now, (then, before) = time.perf_counter(), self.marked
            self.marked = (now, self.seen)
            self.write(row, images_per_second=(self.seen - before) / max(now - then, 1e-9))

    def note_weights(self, player: str) -> None:
        """Ends the run: a last step may spoil weights and leave every term finite, and these are never saved."""
        if self.outcome.state != "diverged":
            self.outcome.state = "diverged"
            step = self.family.progress.steps[player] - 1
            self.outcome.reason = f"the weights of player {player} are not finite after step {step}"

    def note_values(self, values: dict[str, float]) -> None:
        """Writes validation's values; the weights are the best so far where the criterion is the lowest."""
        if not values:
            return
        self.write({f"val/{name}": v for name, v in values.items()})
        value = values.get("criterion")  # nothing chooses where there is none
        if value is None or self.seen < self.plan.settled_images:
            return
        self.best.history.append(value)
        if value < self.best.value:
            self.best.value, self.best.images_seen = value, self.seen
            if self.chief:
                self.unsaved = checkpoints.snapshot(self.family)

    def flush(self) -> None:
        """Writes what callbacks have logged: at a block's end, so that the curves are those of its checkpoint."""
        if self.pending:
            row, self.pending = self.pending, {}
            self.write(row)

    def write(self, row: dict[str, float], **speed: float) -> None:
        """A row of the curves; speed: for loggers alone, since it is another in every repetition."""
        self.latest.update(row)
        if self.chief:
            assert self.curves is not None
            self.curves.append(self.seen, row)
            for mirror in self.mirrors:
                mirror.numbers(row | speed, self.seen)

    def due(self, at_once: bool) -> bool:
        """Whether this process may write a checkpoint: `at_once`, or when writing has taken little of the time."""
        if not self.chief or at_once:
            return self.chief
        return (time.perf_counter() - self.saved) * self.plan.checkpoint_share * self.share >= self.cost

    def checkpoint(self) -> None:
        """Writes the best weights, and then all that is needed to resume."""
        began = time.perf_counter()
        self.save_best()  # first: a kill in between leaves better ones than `last` knows, which it will find again
        own = {"callbacks": states(self.callbacks), "early": self.outcome.early} if self.callbacks else {}
        assert self.curves is not None
        checkpoints.save(
            self.run.checkpoints / checkpoints.LAST, self.family,
            best=asdict(self.best), seconds=self.seconds, waited=self.waited, curves=self.curves.checksum, **own,
        )  # fmt: skip
        self.saved = time.perf_counter()
        self.cost = self.saved - began

    def save_best(self) -> None:
        """Writes the best weights where they are better than those on disk."""
        if self.unsaved is not None:
            checkpoints.write(self.run.checkpoints / checkpoints.BEST, self.unsaved)
            self.unsaved = None

    def tell(self) -> None:
        """Writes the status file, at most once a second."""
        now = time.monotonic()
        if self.chief and now - self.told > STATUS_SECONDS:
            self.told = now
            # of the clock on the wall: runs that are trained as one share a process
            wall, seen = self.outcome.seconds / self.share + time.perf_counter() - self.clock, self.seen
            self.run.set_status(
                False, state="running", images_seen=seen, latest=self.shown(), train_seconds=wall,
                data_wait=self.waited / self.seconds,
            )  # fmt: skip

    def shown(self) -> dict[str, float]:
        return {k.split("/", 1)[1]: v for k, v in self.latest.items() if k.startswith("train/") and math.isfinite(v)}

    # End -------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Training has ended."""
        self.seen = self.family.progress.images_seen
        self.flush()
        self.settle()
        self.outcome.seconds = self.seconds
        self.outcome.images = self.seen
        self.save_best()  # a run that has diverged writes no other checkpoint
        if self.curves is not None:
            self.curves.close()

    def settle(self) -> None:
        """Says how training ended where nothing has said it yet: finished if the counters have reached the plan."""
        if self.outcome.state != "running":
            return
        if self.family.progress.cycles >= self.plan.cycles or self.outcome.early:
            self.outcome.state = "finished"
            return
        self.outcome.state = "failed"
        seen = self.family.progress.images_seen
        self.outcome.reason = f"training ended at {seen:,} of {self.plan.images:,} images: " + (
            f"{described(self.ended_by)} ended the loop" if self.ended_by else "a callback or the data stopped it"
        )

    def closing(self) -> dict[str, float]:
        """The values in the closing line of the run: the chosen weights' criterion on validation, else the last means."""
        if math.isfinite(self.best.value):
            return {"val/criterion": self.best.value}
        return self.shown()
