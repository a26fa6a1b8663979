"""A person's own Lightning callbacks within a run: which may take part, what they are shown, how their state is kept."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import callbacks as lightning

from pushforward.data import DataModule
from pushforward.errors import PushforwardError
from pushforward.families import Family
from pushforward.training import build
from pushforward.training.selection import Selector

Callbacks = dict[str, pl.Callback]

OURS: dict[type[pl.Callback], str] = {
    lightning.Checkpoint: "a run writes its own checkpoints; selection.metric says which weights are the best",
    lightning.Timer: "use trainer.max_time, after which the same command resumes",
    lightning.GradientAccumulationScheduler: "use trainer.accumulate",
    lightning.WeightAveraging: "use ema=exponential",
    lightning.StochasticWeightAveraging: "use ema=exponential",
    lightning.ProgressBar: "a run has its own bar; trainer.progress=false hides it",
    lightning.BatchSizeFinder: "try batch sizes with -m batch_size=32,64,128",
    lightning.LearningRateFinder: "try rates with -m optimizer.PLAYER.lr=1e-4,1e-3",
    lightning.BaseFinetuning: "it counts Lightning's epochs, of which a run has one; use init_from to start from a trained run",
    lightning.ModelPruning: "it replaces the parameters that players' optimisers hold",
    lightning.SpikeDetection: "it wants the loss of a training step, and a player's step returns none",
}
"""Lightning's callbacks that a run has its own means for, or cannot work here, and the remedy."""


def build_callbacks(frozen: Mapping[str, Any]) -> Callbacks:
    """The callbacks of a config by name. Raises PushforwardError for what is no callback, or has no place in a run."""
    made: Callbacks = {}
    for name, node in (frozen.get("callbacks") or {}).items():
        if node is None:
            continue
        callback = build.make(node, f"callbacks.{name}")
        if not isinstance(callback, pl.Callback):
            raise PushforwardError(f"callbacks.{name}: {type(callback).__name__} is no pytorch_lightning.Callback")
        for kind, remedy in OURS.items():
            if isinstance(callback, kind):
                raise PushforwardError(f"callbacks.{name}: {type(callback).__name__} has no place in a run: {remedy}")
        if isinstance(callback, lightning.EarlyStopping):
            # an epoch of Lightning's is the whole run: it is asked after each validation
            callback._check_on_train_epoch_end = False
        made[name] = callback
    return made


def check_callbacks(frozen: Mapping[str, Any], family: Family, data: DataModule) -> None:
    """Raises PushforwardError where EarlyStopping monitors what validation does not give, or could never act."""
    for name, callback in build_callbacks(frozen).items():
        if not isinstance(callback, lightning.EarlyStopping):
            continue
        known = [f"val/{term}" for term in Selector(frozen["selection"]["metric"]).names(family, data)]
        measured = bool((frozen["metrics"] or {}).get("during"))  # their numbers are known once they are measured
        if callback.monitor not in known and not (measured and callback.monitor.startswith("val/")):
            there = (
                f"choose from {', '.join(known)}" if known else "nothing is validated: set selection.metric=fd_lenet"
            )
            raise PushforwardError(f"callbacks.{name}.monitor={callback.monitor}: {there}")
        budget = build.budget_images(frozen, family.spec)
        if build.settled_images(family, budget) > budget:
            raise PushforwardError(
                f"callbacks.{name}: the objective still changes when the budget ends, and nothing stops a run before; "
                f"raise budget.epochs above {family.settled():g}, or leave it out"
            )


def begin_validation(callbacks: Callbacks, trainer: pl.Trainer, family: Family) -> None:
    """Lightning's hooks before a validation."""
    for callback in callbacks.values():
        callback.on_validation_start(trainer, family)
        callback.on_validation_epoch_start(trainer, family)


def end_validation(
    callbacks: Callbacks, trainer: pl.Trainer, family: Family, values: Mapping[str, float], settled: bool
) -> str | None:
    """Lightning's hooks after a validation, with its values in `trainer.callback_metrics`. Returns which asked to stop.

    Until the objective has `settled` no EarlyStopping is asked.
    """
    trainer.callback_metrics.update({f"val/{name}": torch.tensor(value) for name, value in values.items()})
    by = None
    for name, callback in callbacks.items():
        if isinstance(callback, lightning.EarlyStopping) and not (settled and values):
            continue
        before = trainer.should_stop
        callback.on_validation_epoch_end(trainer, family)
        callback.on_validation_end(trainer, family)
        if trainer.should_stop and not before:
            by = name
    if by is None and trainer.should_stop:  # at the end of the block
        return next(iter(callbacks)) if len(callbacks) == 1 else "a callback"
    return by


def states(callbacks: Callbacks) -> dict[str, Any]:
    """The states of callbacks for the checkpoint, by name. Raises PushforwardError where it could not be read again."""
    kept = {name: callback.state_dict() for name, callback in callbacks.items()}
    for name, state in kept.items():
        foreign = unreadable(state)
        if foreign is not None:
            raise PushforwardError(
                f"callbacks.{name}: its state holds a {foreign}, which a checkpoint cannot give back; "
                f"keep tensors, numbers, text, lists and dicts in state_dict()"
            )
    return kept


def unreadable(value: Any) -> str | None:
    """The type of a part of the value that `torch.load` refuses, or None."""
    if isinstance(value, Mapping):
        return next(filter(None, (unreadable(part) for item in value.items() for part in item)), None)
    if type(value) in (list, tuple):
        return next(filter(None, map(unreadable, value)), None)
    plain = value is None or type(value) in (bool, int, float, str, bytes, torch.Tensor)
    return None if plain else type(value).__name__
