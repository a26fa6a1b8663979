"""Builds what a command line asks for once, before anything is written: what cannot be built is refused here."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from pushforward.data import DataModule
from pushforward.errors import PushforwardError
from pushforward.training import build
from pushforward.training.bind import check_targets

SAME = ("seed", "tags", "retry", "selection", "choices")
"""Keys that jobs may differ in without another data set or model to build."""


def rehearse(jobs: Sequence[Mapping[str, Any]]) -> None:
    """Builds the data and the model of every distinct job. Raises PushforwardError with all that is wrong, on one line.

    A single job's data stay for `build_data` to take; many jobs train in processes of their own.
    """
    errors: list[str] = []
    known: set[str] = set()
    modules: dict[str, DataModule] = {}
    for frozen in jobs:
        job = json.dumps({key: value for key, value in frozen.items() if key not in SAME}, sort_keys=True)
        if job in known:
            continue
        known.add(job)
        try:
            check_targets(frozen)
            check_device(frozen)
            key = json.dumps(frozen["data"], sort_keys=True)
            if key not in modules:
                modules[key] = build.build_data(frozen)
            build.build_family(frozen, modules[key].spec)
        except PushforwardError as error:
            errors.append(str(error))
    if errors:
        raise PushforwardError("; ".join(dict.fromkeys(errors)))
    if len(jobs) == 1:
        build.READY.update(modules)


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
