"""Which numbers may be ranked against each other, and which runs may be averaged."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pushforward.runs import HASHED, Run, flatten

# fmt: off
NOT_PROTOCOL = frozenset({
    "better", "kind", "samples", "floor", "references", "seed", "run", "run_id", "images_seen", "step", "checkpoint",
    "standard_error", "weights", "at_images", "chosen_by", "note", "sampler", "function_evaluations", "steps", "prior", "codes",
    "time", "date", "seconds", "command", "commit",
})
# fmt: on
"""Card fields that may differ between numbers of one ranking: how a model samples or bounds, and when it was measured.

Which weights a rule chose may differ, the rule (`selection`) may not. Everything else (split, n, features and their hash,
preprocessing, binarisation …) has to be equal."""


def protocol(metric: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be equal for this number to be ranked: unit and card without `NOT_PROTOCOL`.

    The likelihood is the model's own where the unit is bits per
    dimension; in nats a Bernoulli's and a Gaussian's numbers mean different things, and so do a mass and a density.
    """
    unit, card = metric.get("unit") or "", dict(metric.get("card") or {})
    free = NOT_PROTOCOL | {"likelihood", "density"} if unit.startswith("bit") else NOT_PROTOCOL
    card = {key: value for key, value in card.items() if key not in free}
    return flatten({"unit": unit} | card)


def differing(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys, in order of appearance, whose values are not equal in all items; an absent key equals null."""
    keys = dict.fromkeys(key for item in items for key in item)
    return [key for key in keys if len({_text(item.get(key)) for item in items}) > 1]


def grouped(key: str, items: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """`n = 360 (ae), 1000 (vae, gan)`."""
    owners: dict[str, list[str]] = {}
    for item, name in zip(items, names, strict=True):
        seen = owners.setdefault(str(item.get(key)), [])
        if name not in seen:
            seen.append(name)
    return f"{key} = " + ", ".join(f"{value} ({', '.join(who)})" for value, who in owners.items())


def mixed(runs: Sequence[Run]) -> list[str]:
    """Training config keys, the seed aside, in which runs differ; a group whose option differs stands for its keys."""
    if len(runs) < 2:
        return []
    found: list[str] = []
    for group in (key for key in HASHED if key != "seed"):
        if len({_text(run.choices.get(group)) for run in runs}) > 1:
            found.append(group)
        else:
            found += differing([flatten({group: run.config.get(group)}) for run in runs])
    return found


def _text(value: Any) -> str:
    """Canonical text: 1 and 1.0 are one value."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, default=str)


def partition(items: Sequence[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """Items by key, keys in order of appearance."""
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
