"""A bar on long work: images seen, images a second, the terms, the time left."""

from typing import Any

import pytorch_lightning as pl
from rich.progress import TaskProgressColumn, TimeRemainingColumn

from pushforward.families import Family
from pushforward.report.bars import bars, terms
from pushforward.training.run_callback import RunCallback


class Bar(pl.Callback):
    """One rich bar for the whole budget; nothing where the output is no terminal."""

    def __init__(self, callback: RunCallback, images: int) -> None:
        self.callback = callback
        self.progress = bars(TaskProgressColumn(), TimeRemainingColumn(compact=True))
        self.task = self.progress.add_task("training", total=images, terms="")

    def on_train_start(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        self.progress.start()
        self.progress.update(self.task, completed=family.progress.images_seen)

    def on_train_batch_end(self, trainer: pl.Trainer, family: Family, *args: Any) -> None:  # type: ignore[override]
        shown = terms(self.callback.shown())
        self.progress.update(self.task, completed=family.progress.images_seen, terms=shown)

    def on_train_end(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        self.progress.stop()

    def on_exception(self, trainer: pl.Trainer, family: Any, exception: BaseException) -> None:
        self.progress.stop()
