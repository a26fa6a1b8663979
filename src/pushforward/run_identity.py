"""The identity of a config, by which two runs are one, and the name that it gives to a run's directory. Imports no torch."""

import base64
import glob
import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pushforward import data_identity
from pushforward.errors import PushforwardError
from pushforward.runs import HASHED, TAKEN, Run, data_name, runs_dir

PLACES = ("name", "root", "workers", "resident_limit_mb", "download")
"""Keys of `data` that say what data are called, where they lie or how they move, never what they are."""

LENGTHS = range(12, 53, 8)
"""Characters of the identity in a run's name, 5 bits each: 12, and more where the shorter name is another run's."""

CLAIMED: dict[Path, str] = {}
"""Run directories that this process has named, with their identities: they may not be written yet."""


def canonical(value: Any) -> Any:
    """Integral floats as ints, nulls dropped, keys sorted: what equals stays equal."""
    if isinstance(value, dict):
        return {str(k): canonical(v) for k, v in sorted(value.items(), key=lambda kv: str(kv[0])) if v is not None}
    if isinstance(value, list | tuple):
        return [canonical(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def uses(cfg: DictConfig) -> list[str]:
    """Groups of `TAKEN` that what is trained takes something of, by interpolation."""
    plain: Any = OmegaConf.to_container(cfg, resolve=False)
    named = {key: set(re.findall(r"\$\{(\w+)[.}]", json.dumps(node, default=str))) for key, node in plain.items()}
    reached = set(HASHED)
    while more := {other for key in reached for other in named.get(key, set())} - reached:
        reached |= more
    return [group for group in TAKEN if group in reached]


def unused(frozen: Sequence[dict[str, Any]], overrides: Sequence[Iterable[str]]) -> str:
    """`not used, so no part of the run: weighting.beta (ae, gan)`: what jobs' models take nothing of; empty where none."""
    models: dict[str, list[str]] = {}
    for one, own in zip(frozen, overrides, strict=True):
        for key in (override.partition("=")[0].lstrip("+~") for override in own):
            if re.split(r"[.@/]", key)[0] in set(TAKEN) - set(one["uses"]):
                models.setdefault(key, []).append(str(one["choices"]["model"]))
    said = ", ".join(f"{key} ({', '.join(dict.fromkeys(names))})" for key, names in models.items())
    return said and f"not used by the model, so no part of the run: {said}"


def identity(frozen: dict[str, Any]) -> str:
    """Return SHA-256 of what is trained, 64 hex digits; a person's own data enter by content, not by path.

    Of the groups in `TAKEN` it has what the model takes: `network=` makes no other run of a model that has a network of
    its own.
    """
    hashed: dict[str, Any] = {key: frozen.get(key) for key in HASHED}
    data = {key: value for key, value in (frozen.get("data") or {}).items() if key not in PLACES}
    there: dict[str, dict[str, str]] = frozen.get("content") or {}
    hashed["data"] = data_identity.with_paths(data, {key: found["sha256"] for key, found in there.items()})
    # whose weights they are and what they are, not where they lie
    begun, encoder = (
        {key: value for key, value in (frozen.get(about) or {}).items() if key in ("identity", "sha256")} or None
        for about in ("initial", "encoder")
    )
    hashed["init_from"] = begun
    if encoder:
        hashed["data"] |= {"run": encoder}
    text = json.dumps(canonical(hashed), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def run_id(frozen: dict[str, Any]) -> str:
    """Return the run's name: `vae-mnist-s1-k3f9a2cq7x2m`, of 60 bits of its identity.

    Where that is the name of a run with another identity it takes more of it, so both have a name and are found again.
    """
    own, folder = identity(frozen), runs_dir()
    possible = names(frozen, own)
    holders = [holder(folder / name) for name in possible]
    if own not in holders and frozen.get("content"):  # data that moved, or have another name now
        pattern = f"{glob.escape(str(frozen['choices']['model']))}-*-s{frozen['seed']}-{digits(own)[: LENGTHS[0]]}*"
        for path in folder.glob(pattern):
            if holder(path) == own:
                return path.name
    if own not in holders and None not in holders:
        raise PushforwardError(f"{folder / possible[-1]} is another run's folder: rename it")
    name = possible[holders.index(own if own in holders else None)]
    CLAIMED[folder / name] = own
    return name


def names(frozen: dict[str, Any], identity: str) -> list[str]:
    """Return names that a run may have, the shortest first."""
    beginning = f"{frozen['choices']['model']}-{data_name(frozen)}-s{frozen['seed']}".replace("/", "_")
    return [f"{beginning}-{digits(identity)[:length]}" for length in LENGTHS]


def digits(identity: str) -> str:
    """Return the identity in letters and digits, 5 bits each."""
    return base64.b32encode(bytes.fromhex(identity)).decode().lower().rstrip("=")


def holder(path: Path) -> str | None:
    """Identity of the run whose directory `path` is or will be; None where it is free."""
    if not os.path.isdir(path):  # noqa: PTH112  (thousands of jobs ask, six times each)
        return CLAIMED.get(path)
    run = Run(path)
    if run.identity:
        return run.identity
    config = run.config or run.queued
    return identity(config) if config else CLAIMED.get(path)


def check_identity(run: Run, frozen: dict[str, Any]) -> None:
    """Raise PushforwardError where the directory holds another run than that of this config."""
    if holder(run.path) not in (None, identity(frozen)):
        raise PushforwardError(
            f"{run.path}: it holds a run of another configuration or other data, and is not taken for this one; "
            f"start the command again: the run gets a folder of its own"
        )
