"""Tries what a command line asks for once, before anything is written: what cannot be built or run is refused here."""

import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from pushforward import config
from pushforward.data import DataModule
from pushforward.errors import PushforwardError, described
from pushforward.families import Family
from pushforward.report.eta import expected_seconds
from pushforward.seeds import generator
from pushforward.training import build, checkpoints
from pushforward.training.acceleration import check
from pushforward.training.callbacks import check_callbacks
from pushforward.training.console import quiet
from pushforward.training.evaluate import check_measures, features_node
from pushforward.training.lightning_host import make_trainer
from pushforward.training.loggers import check_logger
from pushforward.training.memory import check_batch, within_memory
from pushforward.training.selection import Selector
from pushforward.training.signatures import check_targets, distinct, kind

ELSEWHERE = 2
"""Images of a step that is tried here for a run on another device."""
TIMED = 5
"""Steps of each of several jobs, of which the fastest counts."""
SLOW = 2.0
"""Seconds of steps after which no further one is taken to time it."""


def rehearse(jobs: Sequence[Mapping[str, Any]], here: bool = True) -> list[float | None]:
    """Builds every distinct job and takes a step of it; returns about how many seconds each job will take, where a step of it
    could be tried as it will be taken, on one device of this machine.

    Raises PushforwardError with all that is wrong, on one line. here: on this machine's devices; else on its CPU with few
    images, for runs that another machine trains. What is tried is thrown away, and no generator has moved: a run is the same
    with and without. A single job's data stay for `build_data` to take; many jobs train in processes of their own.
    """
    quiet()
    errors: list[str] = []
    modules: dict[str, DataModule] = {}
    seconds: dict[str, float | None] = {}
    for frozen in distinct(jobs):
        try:
            with unmoved():
                seconds[kind(frozen)] = rehearsed(frozen, modules, here, TIMED if here and len(jobs) > 1 else 1)
        except PushforwardError as error:
            errors.append(str(error))
        except (Exception, GeneratorExit, SystemExit) as error:
            errors.append(f"model={frozen['choices'].get('model')} cannot be trained: {described(error)}")
    if errors:
        raise PushforwardError("; ".join(dict.fromkeys(errors)))
    if len(jobs) == 1:
        build.READY.update(modules)
    return [seconds[kind(frozen)] for frozen in jobs]


def rehearsed(frozen: Mapping[str, Any], modules: dict[str, DataModule], here: bool, steps: int) -> float | None:
    """Tries one job, and returns about how many seconds it takes; modules: data that are loaded already, by their config."""
    check_targets(frozen)
    check_logger(frozen)
    if here:
        check_device(frozen)
    key = json.dumps(frozen["data"], sort_keys=True)
    if key not in modules:
        modules[key] = build.build_data(frozen)
    data = modules[key]
    if here:
        check_batch(frozen, data.spec)
    with within_memory():
        family = build.build_family(frozen, data.spec)
    if frozen.get("initial"):
        checkpoints.initialise(family, frozen["initial"])
    check(frozen, family)
    check_callbacks(frozen, family, data)
    check_measures(frozen["metrics"], family, data)
    an_image = step(frozen, family, data, here, steps)
    if an_image is None:
        return None
    return expected_seconds(
        frozen, build.budget_images(frozen, family.spec), an_image, int(data.card["splits"]["test"])
    )


def step(frozen: Mapping[str, Any], family: Family, data: DataModule, here: bool, steps: int) -> float | None:
    """Takes steps of every player on a batch of the run's size, and judges one of validation. Changes the family.

    Returns the seconds of an image: of the fastest of so many steps, since the first pay for allocation and compilation;
    None where only a part of the batch was tried, on another device.
    """
    size, trainer = int(frozen["batch_size"]), make_trainer(frozen, []) if here else None
    precise: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if trainer is None or trainer.world_size > 1:  # its processes begin elsewhere, or when it does
        device, n = torch.device("cpu"), min(ELSEWHERE, size)
    else:
        device, n, precise = trainer.strategy.root_device, size, trainer.precision_plugin.train_step_context()
        trainer.precision_plugin.convert_module(family)
    stepper = family.to(device).train().get_stepper()
    with precise:
        batch = next(data.batches("train", n, n)).to(family.device, family.dtype)
        taken: list[float] = []
        while not taken or (len(taken) < steps and sum(taken) < SLOW):
            began = time.perf_counter()
            for player in family.players:
                if len(batch.x) % (parts := config.accumulate(frozen)) == 0:
                    stepper.player_steps[player.name].parts = parts
                noise = family.draw(player.name, len(batch.x), generator(device, family.seed, "rehearsal", player.name))
                stepper.step(player, batch, noise, 0.0)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken.append(time.perf_counter() - began)
        selector = Selector(frozen["selection"]["metric"])
        selector.check(family, features_node(frozen["features"]))
        selector.names(family, data)
    return min(taken) / len(batch.x) if n == size else None


@contextlib.contextmanager
def unmoved() -> Iterator[None]:
    """Within it, nothing moves the process's generators for those outside."""
    python, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002 - a person's code may draw from it
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=list(devices)):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)  # noqa: NPY002


def check_device(frozen: Mapping[str, Any]) -> None:
    """Refuses more GPUs than there are."""
    settings = frozen["trainer"]
    if settings["accelerator"] not in ("gpu", "cuda"):
        return
    there, wanted = torch.cuda.device_count(), int(settings["devices"])
    if there < wanted and not torch.backends.mps.is_available():
        remedy = "trainer=cpu" if there == 0 else f"trainer.devices={there}"
        raise PushforwardError(
            f"trainer.devices={wanted}: torch finds {there or 'no'} GPU{'s' * (there != 1)} here; say {remedy}, "
            f"or see pushforward doctor"
        )
