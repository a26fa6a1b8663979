"""The command line that trains a run again, from the config it froze: groups chosen, then what differs from their files."""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from pushforward import composition, data_identity
from pushforward import overrides as grammar
from pushforward.errors import PushforwardError
from pushforward.runs import Run

TRAINED = (
    "seed", "batch_size", "precision", "budget", "selection", "weighting", "schedule", "ema", "optimizer", "likelihood",
    "corruption", "network", "data", "model", "callbacks", "init_from",
)  # fmt: skip
"""Keys that decide what is trained; what others take from them by interpolation comes first."""
GROUPS = (
    "model",
    "data",
    "augmentation",
    "network",
    "likelihood",
    "corruption",
    "sampler",
    "weighting",
    "schedule",
    "ema",
    "callbacks",
)


def command(run: Run) -> str:
    """`pushforward train model=vae data=digits seed=3 weighting.beta=4`: composes to what the run was trained with.

    Groups come by name, single values where they differ from what these compose to now. A run whose groups exist no
    more is told by the command that it was started with.
    """
    try:
        overrides = groups(run)
        composed = composition.compose(overrides)
        for key in (key for key in TRAINED if key in run.config):
            more = list(differing(key, run.config, composed))
            if more:  # what a later one takes from this one agrees by then
                overrides += more
                composed = composition.compose(overrides)
    except PushforwardError:
        return str(run.status.get("command") or "not known")
    return shlex.join(["pushforward", "train", *overrides])


def groups(run: Run) -> list[str]:
    """`model=vae`, …: the options chosen; each player's optimiser; what only measures is left out."""
    chosen = {k: v for k, v in run.choices.items() if v is not None}
    names = [k for k in GROUPS if k in chosen] + [k for k in chosen if k.startswith("optimizer@")]
    own = [f"{key}={written(path)}" for key, path in data_identity.paths(run.config.get("data") or {})]
    own += [f"data.run={written(run.key('data.run'))}"] if "encoder" in run.config else []
    usual = composition.compose([*(f"{k}={chosen[k]}" for k in names if k in ("model", "data")), *own])["choices"]
    own += [f"+{k}={chosen[k]}" for k in chosen if k.startswith("schedule@")]  # a player's, where the recipe names none
    return [f"{k}={chosen[k]}" for k in names if k in ("model", "data") or chosen[k] != usual.get(k)] + own


def differing(key: str, config: Mapping[str, Any], composed: Mapping[str, Any]) -> Iterable[str]:
    """Overrides that turn the `key` of what is composed into that of the config."""
    own, there = leaves(key, config.get(key)), leaves(key, composed.get(key))
    for name, value in own.items():
        if name not in there or there[name] != value:
            yield f"{'' if name in there else '++'}{name}={written(value)}"
    gone = [name for name in there if name not in own and not any(other.startswith(f"{name}.") for other in own)]
    yield from dict.fromkeys(f"~{highest(name, own)}" for name in gone)


def highest(name: str, own: Mapping[str, Any]) -> str:
    """The topmost part of a dotted key under which the config has nothing left."""
    parts = name.split(".")
    heads = (".".join(parts[:n]) for n in range(1, len(parts)))
    return next((head for head in heads if not any(other.startswith(f"{head}.") for other in own)), name)


def leaves(key: str, node: Any) -> dict[str, Any]:
    """Values by dotted key; a list is one value, as it is to an override."""
    if not isinstance(node, Mapping) or not node:
        return {key: node}
    return {k: v for name, child in node.items() for k, v in leaves(f"{key}.{name}", child).items()}


def written(value: Any) -> str:
    """A value as Hydra reads it; only text with signs of its grammar in quotes."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w./-]+", value) else grammar.written(value)
