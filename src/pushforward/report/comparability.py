"""The comparability of numbers: which may be ranked together, and which runs may be averaged."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pushforward.runs import HASHED, TAKEN, Run, flatten

# fmt: off
FREE = frozenset({
    "better", "kind", "samples", "floor", "references", "seed", "run", "run_id", "images_seen", "step", "checkpoint",
    "standard_error", "solver_error", "weights", "at_images", "chosen_by", "note", "sampler", "function_evaluations", "steps",
    "prior", "codes", "units", "code_dim", "dimensions", "features_weights", "cells", "time", "date", "seconds", "command",
    "commit", "reference_draws", "by_class", "collapsed",
})
# fmt: on
"""Card fields that may differ between numbers of one ranking: how a model samples or bounds, how many units its code has,
how finely an integral is cut, which weights the rule chose (the rule, `selection`, may not differ), when it was measured."""
MODELS_OWN = frozenset({"likelihood", "density", "corruption", "modelled"})
"""Card fields that come with the model and say what its number means: nats under a Bernoulli and under a Gaussian, of a
mass and of a density, of images and of codes, a gain over masking and over noise. Measuring alike cannot make them equal:
such numbers stand in one column, but are not ranked."""
WHERE_PRESENT = frozenset({"k", "noise_seed", "selection"})
"""Card fields that not every way to a number has: a flow's likelihood takes no importance samples, and no rule has chosen
weights that were named. Absent is no difference."""


def protocol(metric: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that must be equal for two numbers to stand in one column: unit, split, data, features and their hash, n …

    `n` may differ for a mean over images (or pairs, or paths) with its `standard_error`: more make it surer, not other.
    It has to be equal for what has a bias that depends on it: all without an error, and distances between sets of features.
    """
    return flatten({"unit": str(metric.get("unit") or "")} | _protocol(metric))


def _protocol(metric: Mapping[str, Any]) -> dict[str, Any]:
    card = metric.get("card") or {}
    free = FREE | MODELS_OWN
    if card.get("split") is None:  # of the model alone, such as its parameters: whatever data it was then measured on
        free |= {"split", "data", "selection"}
    if card.get("standard_error") is not None and metric.get("unit") != "feature²":
        free |= {"n", "train_n"}
    return {key: value for key, value in card.items() if key not in free}


def alike(metrics: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all say word for word the same of how they were measured and what they mean: as mostly, and soon told."""
    texts = (
        repr((metric.get("unit"), _protocol(metric), [(metric.get("card") or {}).get(key) for key in MODELS_OWN]))
        for metric in metrics
    )
    return len(set(texts)) < 2


def meaning(metric: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the model that must be equal for two numbers to be ranked; bits are bits, whatever the likelihood."""
    card = metric.get("card") or {}
    keys = MODELS_OWN - {"likelihood", "density"} if str(metric.get("unit")).startswith("bit") else MODELS_OWN
    if card.get("split") is None:  # of the model alone
        keys = keys - {"modelled"}
    return flatten({key: card[key] for key in card if key in keys})


def differing(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys, in order of appearance, whose values are not equal in all items; an absent key equals null."""
    keys = dict.fromkeys(key for item in items for key in item)
    every = {key: {repr(value): value for value in (item.get(key) for item in items)} for key in keys}
    found = {key: set(map(_text, values.values())) for key, values in every.items()}  # few values stand in thousands
    return [key for key, values in found.items() if len(values - ({"null"} if key in WHERE_PRESENT else set())) > 1]


def kinds(items: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[int]:
    """For each item the number of its kind, from 0 in order of appearance: items of a kind are equal in all `keys`."""
    texts = [tuple(_text(item.get(key)) for key in keys) for item in items]
    order = list(dict.fromkeys(texts))
    return [order.index(text) for text in texts]


def grouped(key: str, items: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """`n = 360 (ae), 1000 (vae, gan)`."""
    owners: dict[str, list[str]] = {}
    for item, name in zip(items, names, strict=True):
        value = item.get(key)
        seen = owners.setdefault("none" if value is None else str(value), [])
        if name not in seen:
            seen.append(name)
    several = ", ".join(f"{value} ({', '.join(who)})" for value, who in owners.items())
    return f"{key} = {several}"


def data_set(run: Run, keys: Sequence[str]) -> tuple[Any, ...]:
    """The settings that numbers must share to be compared at all: the images, and what the rows themselves vary of the data."""
    own = (run.images, *(run.key(key) for key in keys if key.startswith("data.")))
    return tuple(value if isinstance(value, str | int | float | None) else str(value) for value in own)


def mixed(runs: Sequence[Run]) -> list[str]:
    """Training config keys, the seed aside, in which runs differ; a group whose option differs stands for its keys."""
    if len(runs) < 2:
        return []
    # seeds of one config, as mostly: nothing to look for
    runs = list({_signature(run): run for run in runs}.values())
    if len(runs) < 2:
        return []
    found: list[str] = []
    trained = [_trained(run) for run in runs]
    for group in (key for key in (*HASHED, *TAKEN) if key != "seed"):
        if len({_text(run.choices.get(group)) for run, own in zip(runs, trained, strict=True) if group in own}) > 1:
            found.append(group)
        else:
            found += differing([flatten({group: own.get(group)}) for own in trained])
    return found


def _signature(run: Run) -> str:
    """A text that is another's where all that `mixed` looks at is equal."""
    choices = [run.choices.get(group) for group in (*HASHED, *TAKEN)]
    return repr((choices, [run.config.get(key) for key in (*HASHED, *TAKEN, "uses") if key != "seed"]))


def _trained(run: Run) -> dict[str, Any]:
    """The run's config as far as it decides what is trained; what the model repeats of a group stands there alone."""
    own = {key: run.config.get(key) for key in HASHED}
    own |= {key: run.config.get(key) for key in run.config.get("uses", TAKEN)}
    repeated = [own[key] for key in TAKEN if own.get(key)]

    def without(node: Any) -> Any:
        return {k: without(v) for k, v in node.items() if v not in repeated} if isinstance(node, Mapping) else node

    return {**own, "model": without(own["model"])}


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
