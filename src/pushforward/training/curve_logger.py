"""What Lightning's Trainer is given of a run: its start from a checkpoint, and a logger that writes into its curves."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from pushforward.families import Family
from pushforward.training.run_callback import RunCallback


class Opening(pl.Callback):
    """Takes the run up where its checkpoint left it before any callback of the person's own begins."""

    def __init__(self, callback: RunCallback) -> None:
        self.callback = callback

    def on_fit_start(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        self.callback.open(family)


class CurveLogger(Logger):
    """Lightning's logger of a run: what callbacks log goes into the run's curves and its loggers, against images seen."""

    def __init__(self, callback: RunCallback) -> None:
        super().__init__()
        self.callback = callback

    @property
    def name(self) -> str:
        return "pushforward"

    @property
    def version(self) -> str:
        return self.callback.run.id

    @property
    def save_dir(self) -> str:
        return str(self.callback.run.path)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the config stands in the run directory."""

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Kept for the row at the end of this block; Lightning's own step counts blocks and is not used."""
        self.callback.pending.update({name: float(value) for name, value in metrics.items()})
