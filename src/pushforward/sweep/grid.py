"""Refuse a grid that no machine composes, or that some of its models cannot take, before any job is composed."""

import math
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep, ValueType
from omegaconf import DictConfig

from pushforward.errors import PushforwardError

MOST_JOBS = 10_000
"""Jobs of one command: all are composed, and their identities computed, before the first starts."""


def parsed(loader: Any, arguments: Sequence[str]) -> dict[str, Override]:
    """Return the overrides by key; the last of a key counts."""
    parser = OverridesParser.create(config_loader=loader)
    return {override.get_key_element(): override for override in parser.parse_overrides([*arguments])}


def check_size(loader: Any, arguments: Sequence[str]) -> None:
    """Raise PushforwardError for ranges of real numbers, and for too many jobs."""
    overrides = parsed(loader, arguments)
    for override in overrides.values():
        if override.value_type == ValueType.INTERVAL_SWEEP:
            key = override.key_or_group
            raise PushforwardError(
                f"{override.input_line}: a grid takes values and no interval; search one with study=NAME "
                f"'+study.space.{key}={{float: [low, high]}}', or list values: {key}=a,b,c"
            )
    count = math.prod(values_of(override) for override in overrides.values())
    if count > MOST_JOBS:
        raise PushforwardError(
            f"{count:,} jobs, and one command takes {MOST_JOBS:,}: list fewer values, or search with study=NAME"
        )


def values_of(override: Override) -> int:
    """Return how many values an override lists, without listing them."""
    if not override.is_sweep_override():
        return 1
    value: Any = override.value()
    if isinstance(value, RangeSweep):
        assert value.start is not None and value.stop is not None
        return max(0, math.ceil((value.stop - value.start) / value.step)) if value.step else 0
    return sum(1 for _ in override.sweep_string_iterator())


def check_models(loader: Any, master: DictConfig, arguments: Sequence[str]) -> None:
    """Raise PushforwardError where a key fits some models of the grid only, and says which."""
    overrides = parsed(loader, arguments)
    models = overrides.get("model")
    if models is None or not models.is_sweep_override():
        return
    first = [next(iter(lines(key, o))) for key, o in overrides.items() if key != "model"]
    refused: dict[str, str] = {}
    asked = list(lines("model", models))
    for model in asked:
        try:
            loader.load_sweep_config(master, [model, *first])
        except PushforwardError as error:
            refused[model] = str(error)
    if refused and len(refused) < len(asked):
        fits = ", ".join(model.partition("=")[2] for model in asked if model not in refused)
        wrong = ", ".join(model.partition("=")[2] for model in refused)
        raise PushforwardError(
            f"{next(iter(refused.values()))}; of the grid it fits {fits}, and not {wrong}: sweep them apart"
        )


def lines(key: str, override: Override) -> list[str]:
    """Return an override, or the first of what it lists; of `model` all."""
    if not override.is_sweep_override():
        return [override.input_line or ""]
    values = override.sweep_string_iterator()
    return [f"{key}={value}" for value in values] if key == "model" else [f"{key}={next(values)}"]
