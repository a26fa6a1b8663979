"""A bar on long work: images seen, images a second, the terms, the time left."""

import sys
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from pushforward.families import Family
from pushforward.training.conductor import Conductor


class Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} images/s" if task.speed else "", style="cyan")


class Bar(pl.Callback):
    """One rich bar for the whole budget; nothing where the output is no terminal."""

    def __init__(self, conductor: Conductor, images: int) -> None:
        self.conductor = conductor
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=28), TextColumn("{task.percentage:>3.0f}%"), Speed(),
            TimeRemainingColumn(), TextColumn("{task.fields[terms]}", style="dim"),
            console=Console(file=sys.stderr), transient=True, disable=not sys.stderr.isatty(), refresh_per_second=5,
        )  # fmt: skip
        self.task = self.progress.add_task("training", total=images, terms="")

    def on_train_start(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        self.progress.start()
        self.progress.update(self.task, completed=family.progress.images_seen)

    def on_train_batch_end(self, trainer: pl.Trainer, family: Family, *args: Any) -> None:  # type: ignore[override]
        shown = "  ".join(f"{name} {value:.4g}" for name, value in self.conductor.shown().items())
        self.progress.update(self.task, completed=family.progress.images_seen, terms=shown)

    def on_train_end(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        self.progress.stop()

    def on_exception(self, trainer: pl.Trainer, family: Any, exception: BaseException) -> None:
        self.progress.stop()
