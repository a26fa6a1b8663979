"""Choices of the trainer that change the speed of steps and not their results."""

import dataclasses
import inspect
import os
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from pushforward import config
from pushforward.engine.cuda_graph import GraphedStep
from pushforward.errors import PushforwardError
from pushforward.families import Family
from pushforward.training.console import say
from pushforward.training.session import Session

SWITCHES = ("record", "compile", "channels_last", "cuda_graph")


def switches(frozen: Mapping[str, Any]) -> dict[str, bool]:
    """The trainer's switches."""
    return {name: bool(frozen["trainer"][name]) for name in SWITCHES}


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


def prepare(session: Session) -> None:
    """Puts into effect what has to be there before there are optimisers."""
    family, on = session.family, switches(session.frozen)
    if on["channels_last"]:
        family.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if on["cuda_graph"]:
        for name, tuning in family.tunings.items():
            family.tunings[name] = dataclasses.replace(tuning, rule=partial(tuning.rule, capturable=True))


def start(session: Session) -> None:
    """Puts the switches into effect before the first step."""
    on, parts = switches(session.frozen), config.accumulate(session.frozen)
    for step in session.family.get_stepper().player_steps.values():
        step.parts, step.records = parts, on["record"] and parts == 1
        if on["compile"]:
            step.compile()
        if on["cuda_graph"]:
            step.graph = GraphedStep(step)


def finish(session: Session) -> None:
    """Notes for the record how the model was trained; it is measured as it would be anywhere."""
    family, on, execution = session.family, switches(session.frozen), session.execution
    if on["channels_last"]:
        family.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    steps = family.get_stepper().player_steps
    execution.update({name: on[name] for name in SWITCHES if name != "record"})
    execution["recorded"] = [name for name, step in steps.items() if step.recording is not None]
    if on["compile"]:
        execution["compile_seconds"] = {name: step.compiled for name, step in steps.items()}
        if session.chief:
            say(session.run, "compiled " + ", ".join(f"{name} {step.compiled:.1f} s" for name, step in steps.items()))
