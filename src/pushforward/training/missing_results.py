"""Measures and pictures of a trained run that failed: recorded with the reason, without any other loss."""

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pushforward.errors import described
from pushforward.runs import RunDir
from pushforward.training.console import note, say

Gaps = dict[str, str]
"""`metrics.samples`, `pictures.latent`, `record.json` -> why it is not there, in one line; `failed` in the record."""

LONG = 2.0
"""Seconds of measuring from which on each further measure is announced where there is no terminal to draw in."""


@contextmanager
def apart(run: RunDir, gaps: Gaps, name: str) -> Iterator[None]:
    """Within it, an exception leaves a gap `name`, said in one line and kept in the log, and ends nothing else."""
    try:
        yield
        gaps.pop(name, None)
    except Exception as error:
        gaps[name] = described(error)
        say(run, f"{name} failed: {gaps[name]}")
        note(run, traceback.format_exc())


def remedy(run: RunDir, gaps: Gaps, command: str | None = None) -> list[str]:
    """The remedy for gaps, as a line; none where there are none."""
    again = command or f"pushforward evaluate {run.id}"
    return [f"not measured or drawn: {', '.join(gaps)}; the weights are safe: {again} tries again"] if gaps else []


class Stages:
    """Says which of several measures is under way, how many there are and how long it has taken.

    On a terminal with a running clock, elsewhere in a line each once it takes `LONG`. training: in the run's status, too.
    """

    def __init__(self, run: RunDir, names: list[str], training: bool) -> None:
        self.run, self.names, self.training, self.began = run, names, training, time.monotonic()
        self.since = datetime.now(UTC).isoformat(timespec="seconds")
        self.progress = Progress(
            SpinnerColumn(), TextColumn("measuring {task.description}"), TimeElapsedColumn(),
            console=Console(file=sys.stderr), transient=True, disable=not sys.stderr.isatty(),
        )  # fmt: skip

    def __enter__(self) -> "Stages":
        self.progress.start()
        self.task = self.progress.add_task("")
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def begin(self, name: str) -> None:
        """The measure `name` begins."""
        stage = f"{name}, {self.names.index(name) + 1} of {len(self.names)}"
        self.progress.update(self.task, description=stage)
        taken = time.monotonic() - self.began
        if self.progress.disable and taken > LONG:
            print(f"measuring {stage}; {taken:.0f} s so far", flush=True)
        if self.training:
            with suppress(OSError):  # a full disk keeps no measure from being taken
                self.run.set_status(False, phase="measuring", stage=stage, measuring_since=self.since)
