"""Numbers that many runs share, computed once for all of them and kept under `outputs/cache`."""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pushforward.atomic_files import Lock, whole, write_whole
from pushforward.runs import outputs

VERSION = 1
"""Raised when what is computed changes for the same key."""


def cached(kind: str, key: Mapping[str, Any], make: Callable[[], Any]) -> Any:
    """make(), plain for JSON, or what it gave before under the same key, in this process or another."""
    return cached_parts(kind, key, ["value"], lambda _: {"value": make()})["value"]


def cached_tensor(kind: str, key: Mapping[str, Any], make: Callable[[], Tensor]) -> Tensor:
    """make(), a tensor on the CPU, or what it gave before under the same key, bit for bit, in this process or another."""
    folder = outputs() / "cache" / f"{kind}-{hashed({**key, 'version': VERSION})}"
    file = folder / "tensor.npy"
    kept = _read_array(file)
    if kept is None:
        with Lock(folder):
            kept = _read_array(file)
            if kept is None:
                kept = make().numpy()
                write_whole(folder / "key.json", json.dumps(dict(key), indent=1))
                with whole(file) as aside:
                    np.save(aside, kept)
    return torch.from_numpy(kept)


def _read_array(file: Path) -> Any:
    try:
        return np.load(file)
    except (OSError, ValueError, EOFError):
        return None  # not there, or not whole: made anew


def cached_parts(
    kind: str, key: Mapping[str, Any], names: Sequence[str], make: Callable[[list[str]], Mapping[str, Any]]
) -> dict[str, Any]:
    """Each name's part, plain for JSON: those kept under the key, and make(those that are missing).

    key: everything that the parts depend on, plain. Of several processes one computes and the others wait.
    """
    folder = outputs() / "cache" / f"{kind}-{hashed({**key, 'version': VERSION})}"
    found = read(folder, names)
    if len(found) < len(names):
        with Lock(folder):
            found = read(folder, names)
            missing = [name for name in names if name not in found]
            made = make(missing) if missing else {}
            write_whole(folder / "key.json", json.dumps(dict(key), indent=1))
            for name in missing:
                write_whole(folder / f"{name}.part.json", json.dumps(made[name]))
                found[name] = json.loads(json.dumps(made[name]))
    return {name: found[name] for name in names}


def hashed(key: Mapping[str, Any]) -> str:
    """16 hex digits of SHA-256 over canonical JSON."""
    return sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def read(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """The parts that are there and whole."""
    found = {}
    for name in names:
        try:
            found[name] = json.loads((folder / f"{name}.part.json").read_bytes())
        except (FileNotFoundError, ValueError):
            continue  # not there, or no JSON: made anew
    return found
