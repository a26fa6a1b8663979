"""The structure that replicas trained as one must share: all of a family but its tensors' values."""

import types
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from pushforward.engine.contract import Trainable
from pushforward.engine.players import Tuning

OWN = ("seed", "progress", "stepper", "tunings", "hosted", "training")
"""Attributes of a family in which replicas differ, or that are not the model's."""


def difference(a: Trainable, b: Trainable) -> str | None:
    """Why the two cannot be trained as one, on one line; None where they can."""
    for family in (a, b):
        if family.stackable is not True:
            return str(family.stackable)
    ours, theirs = structure(a), structure(b)
    for name in [*ours, *theirs]:
        mine, other = ours.get(name), theirs.get(name)
        if mine != other:
            return f"{name} is {mine or 'absent'} in one and {other or 'absent'} in another, and no tensor"
    return None


def structure(family: Trainable) -> dict[str, str]:
    """All that is built into the computation, by dotted name: classes, plain attributes, shapes of tensors."""
    found: dict[str, str] = {}
    for path, module in family.named_modules():
        at = f"{path}." if path else ""
        found[path or "family"] = type(module).__qualname__
        for key, value in vars(module).items():
            if not key.startswith("_") and not (module is family and key in OWN) and key != "training":
                found[at + key] = described(value)
    for name, parameter in family.named_parameters():
        found[name] = f"{tuple(parameter.shape)} {parameter.dtype} {parameter.requires_grad}"
    for name, buffer in family.named_buffers():
        found[name] = f"{tuple(buffer.shape)} {buffer.dtype}"
    for name, tuning in family.tunings.items():
        found[f"optimizer.{name}.rule"] = described(tuning.optimizer)
        found[f"optimizer.{name}.ema"] = "none" if tuning.ema is None else "a number"
    return found


def described(value: Any, depth: int = 4) -> str:
    """A value in words that are the same for equal values."""
    if isinstance(value, torch.Tensor):
        return f"tensor {value.tolist()}" if value.numel() < 100 else f"tensor {tuple(value.shape)} {value.sum()}"
    if isinstance(value, nn.Module):
        return type(value).__qualname__
    if isinstance(value, Mapping):
        return str({str(key): described(item, depth) for key, item in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return str([described(item, depth) for item in items])
    if isinstance(value, partial):
        return f"{described(value.func)} {described(value.args)} {described(value.keywords)}"
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        return value.__qualname__
    if isinstance(value, str | int | float | bool | None) or depth == 0 or not hasattr(value, "__dict__"):
        return repr(value)
    return f"{type(value).__qualname__} {described(vars(value), depth - 1)}"


def tuned(tuning: Tuning) -> str:
    """A tuning in words: replicas with the same share an optimiser group."""
    schedule = tuning.schedule
    numbers = schedule and (
        type(schedule).__qualname__,
        {key: value.item() for key, value in schedule.named_buffers()},
        described({key: value for key, value in vars(schedule).items() if not key.startswith("_")}),
    )
    settings = sorted(tuning.settings.items())
    return repr((described(tuning.optimizer), settings, tuning.lr, tuning.clip, tuning.ema, numbers))
