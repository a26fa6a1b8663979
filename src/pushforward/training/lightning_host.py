"""Lightning as a run's host: its Trainer gives devices, processes and precision; a callback of ours does the rest."""

import gc
import signal
import threading
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.profilers import AdvancedProfiler, Profiler, PyTorchProfiler, SimpleProfiler
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from rich.progress import TaskProgressColumn, TimeRemainingColumn

from pushforward.errors import PushforwardError
from pushforward.families import Family
from pushforward.report.bars import bars, terms
from pushforward.signals import STOPPING
from pushforward.spec import Block
from pushforward.training import acceleration, build
from pushforward.training.block_schedule import between_blocks
from pushforward.training.session import Session
from pushforward.training.strategy import SlicedDDP

PROFILERS: dict[str, type[Profiler]] = {
    "simple": SimpleProfiler, "advanced": AdvancedProfiler, "pytorch": PyTorchProfiler,
}  # fmt: skip
"""Lightning's profilers by the name that `trainer.profiler` gives them."""


def fit(session: Session) -> None:
    """Trains a run to its end, or until something ends it, on the devices that its config names."""
    frozen, family = session.frozen, session.family
    settings = frozen["trainer"]
    family.hosted = True
    if session.trained:
        session.restore_trained()
        return
    # ours comes last: what callbacks did at the end of a block is in the checkpoint that it writes there
    callbacks: list[pl.Callback] = [Opening(session), *session.callbacks.values(), RunCallback(session)]
    if settings["progress"] and session.chief:
        callbacks.append(Bar(session))
    # its report is written into the run directory, as `fit-profile.txt`
    kind = settings["profiler"]
    profiler = None if kind is None else PROFILERS[kind](dirpath=session.run.path, filename="profile")
    trainer = make_trainer(frozen, callbacks, CurveLogger(session) if session.callbacks else None, profiler)
    acceleration.prepare(session)
    gc.freeze()  # what is there by now stays: looking through all of Lightning for garbage took a quarter of a second
    try:
        trainer.fit(family, datamodule=session.data)
    finally:
        session.requests.patient = False
        gc.unfreeze()
    # Lightning leaves the model on the CPU; precision=fp64 is for training, measures and pictures take float32
    family.to(session.device).float()
    acceleration.finish(session)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # what is measured now is measured by one process


def make_trainer(
    frozen: Mapping[str, Any],
    callbacks: list[pl.Callback],
    logger: Logger | None = None,
    profiler: Profiler | None = None,
) -> pl.Trainer:
    """Lightning's trainer for a run. Raises PushforwardError for devices that it does not find."""
    settings = frozen["trainer"]
    strategy: SlicedDDP | str = SlicedDDP() if settings["strategy"] == "ddp" else settings["strategy"]
    try:
        return pl.Trainer(
            accelerator=settings["accelerator"], devices=settings["devices"], num_nodes=settings["num_nodes"],
            strategy=strategy, precision=build.PRECISIONS[frozen["precision"]], callbacks=callbacks, profiler=profiler,  # type: ignore[arg-type]
            max_epochs=1,  # one long epoch: the loader is the budget
            logger=logger or False, log_every_n_steps=1,  # blocks
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
            num_sanity_val_steps=0, use_distributed_sampler=False, barebones=False,
        )  # fmt: skip
    except (MisconfigurationException, ValueError, ModuleNotFoundError, ImportError) as error:
        given = ", ".join(f"trainer.{key}={settings[key]}" for key in ("accelerator", "devices", "strategy"))
        raise PushforwardError(f"{given}: {str(error).splitlines()[0]}") from None


class Opening(pl.Callback):
    """Resumes the run where its checkpoint left it before any callback of the person's own begins."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def on_fit_start(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        self.session.open()


class RunCallback(pl.Callback):
    """The run's schedule as a callback of Lightning's, which comes after the person's own."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def setup(self, trainer: pl.Trainer, family: Family, stage: str) -> None:  # type: ignore[override]
        """Callbacks are as the checkpoint left them once all are set up: Lightning's order."""
        for name, state in ((self.session.restored or {}).get("callbacks") or {}).items():
            self.session.callbacks[name].load_state_dict(state)

    def on_train_start(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        """From here on signals are remembered until a block has ended; Lightning has set its own handlers, and resets them."""
        requests = self.session.requests
        requests.patient = True
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                if signal.getsignal(number) != signal.SIG_IGN:
                    signal.signal(number, requests.take)
        self.watch(trainer)
        acceleration.start(self.session)
        self.session.begin()

    def watch(self, trainer: pl.Trainer) -> None:
        """Remembers a StopIteration out of a step, a callback or the data: Lightning's loop ends at one without a word."""
        loop = trainer.fit_loop.epoch_loop
        advance = loop.advance

        def watched(*args: Any) -> None:
            try:
                advance(*args)
            except StopIteration as error:
                self.session.ended_by = error
                raise

        loop.advance = watched  # type: ignore[method-assign, assignment]

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, family: Family, outputs: None, block: Block, batch_idx: int
    ) -> None:
        between_blocks(family.get_stepper(), [self.session], block.index, trainer)
        if self.session.outcome.state != "running":
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        self.session.close()


class CurveLogger(Logger):
    """Lightning's logger of a run: what callbacks log goes into the run's curves and its loggers, against images seen."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    @property
    def name(self) -> str:
        return "pushforward"

    @property
    def version(self) -> str:
        return self.session.run.id

    @property
    def save_dir(self) -> str:
        return str(self.session.run.path)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the config stands in the run directory."""

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Kept for the row at the end of this block; Lightning's own step counts blocks and is not used."""
        self.session.pending.update({name: float(value) for name, value in metrics.items()})


class Bar(pl.Callback):
    """One rich bar for the whole budget: images seen, images a second, the terms, the time left; on a terminal alone."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.progress = bars(TaskProgressColumn(), TimeRemainingColumn(compact=True))
        self.task = self.progress.add_task("training", total=session.plan.images, terms="")

    def on_train_start(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        self.progress.start()
        self.progress.update(self.task, completed=family.progress.images_seen)

    def on_train_batch_end(self, trainer: pl.Trainer, family: Family, *args: Any) -> None:  # type: ignore[override]
        shown = terms(self.session.shown())
        self.progress.update(self.task, completed=family.progress.images_seen, terms=shown)

    def on_train_end(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        self.progress.stop()

    def on_exception(self, trainer: pl.Trainer, family: pl.LightningModule, exception: BaseException) -> None:
        self.progress.stop()
