"""How steps are carried out: choices of the trainer that change speed and not what is trained."""

import dataclasses
import inspect
import os
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch

from pushforward import config
from pushforward.engine.cuda_graph import GraphedStep
from pushforward.engine.player_step import PlayerStep
from pushforward.errors import PushforwardError
from pushforward.families import Family
from pushforward.training.console import say
from pushforward.training.session import Session

SWITCHES = ("record", "compile", "channels_last", "cuda_graph")


def switches(frozen: Mapping[str, Any]) -> dict[str, bool]:
    """The trainer's switches; a config from before one of them has its default."""
    return {name: bool(frozen["trainer"].get(name, getattr(config.Trainer, name))) for name in SWITCHES}


def check(frozen: Mapping[str, Any], family: Family) -> None:
    """Refuses, in a line, what this run cannot be given."""
    on, gpu = switches(frozen), frozen["trainer"]["accelerator"] != "cpu"
    if on["cuda_graph"]:
        if not gpu:
            raise PushforwardError(
                "trainer.cuda_graph=true: there are no CUDA graphs on a CPU; use trainer=gpu, or leave it out"
            )
        if config.devices(dict(frozen)) > 1:
            raise PushforwardError("trainer.cuda_graph=true takes one process; use trainer.devices=1, or leave it out")
        for name, tuning in family.tunings.items():
            if "capturable" not in inspect.signature(tuning.optimizer).parameters:
                raise PushforwardError(
                    f"trainer.cuda_graph=true: {tuning.optimizer.__name__} of optimizer.{name} cannot be captured; "
                    "use Adam or AdamW"
                )
    parts = config.accumulate(frozen)
    if parts > 1 and (coupled := family.coupled()):
        raise PushforwardError(
            f"trainer.accumulate={parts}: {' and '.join(coupled)} takes the batch as a whole, and its parts do not add up "
            f"to that; leave it out, or the part that couples the batch"
        )
    if on["compile"]:
        compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
        if not gpu and shutil.which(compiler) is None:
            raise PushforwardError(
                f"trainer.compile=true: there is no C++ compiler {compiler}; install one, or leave it out"
            )


class Acceleration(pl.Callback):
    """Puts the switches into effect before the first step, and tells what they took."""

    def __init__(self, session: Session) -> None:
        self.session, self.on = session, switches(session.frozen)
        self.told = not self.on["compile"]

    def prepare(self, family: Family) -> None:
        """What has to be done before there are optimisers."""
        if self.on["channels_last"]:
            family.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.on["cuda_graph"]:
            for name, tuning in family.tunings.items():
                family.tunings[name] = dataclasses.replace(tuning, rule=partial(tuning.rule, capturable=True))

    def on_train_start(self, trainer: pl.Trainer, family: Family) -> None:  # type: ignore[override]
        for name, step in self.player_steps(family).items():
            step.parts = config.accumulate(self.session.frozen)
            step.records = self.on["record"] and step.parts == 1
            if self.on["compile"]:
                step.compile()
            if self.on["cuda_graph"]:
                family.get_stepper().player_steps[name] = GraphedStep(step)

    def on_train_batch_end(self, trainer: pl.Trainer, family: Family, *args: Any) -> None:  # type: ignore[override]
        if not self.told:
            self.told = True
            seconds = {name: step.compiled for name, step in self.player_steps(family).items()}
            self.session.execution["compile_seconds"] = seconds
            if self.session.chief:
                say(self.session.run, "compiled " + ", ".join(f"{name} {took:.1f} s" for name, took in seconds.items()))

    def finish(self, family: Family) -> None:
        """The model is measured as it would be anywhere; how it was trained is noted for the record."""
        if self.on["channels_last"]:
            family.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        execution = self.session.execution
        execution.update({name: self.on[name] for name in SWITCHES if name != "record"})
        steps = self.player_steps(family) if family.stepper is not None else {}
        execution["recorded"] = [name for name, step in steps.items() if step.recording is not None]

    @staticmethod
    def player_steps(family: Family) -> dict[str, PlayerStep]:
        """Return each player's step, without a CUDA graph around it."""
        steps = family.get_stepper().player_steps
        return {name: step.step if isinstance(step, GraphedStep) else step for name, step in steps.items()}
