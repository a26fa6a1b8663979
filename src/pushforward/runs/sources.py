"""The sources that a run was trained by: ours, for information, and a person's own modules, which can make it stale."""

import functools
import hashlib
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pushforward.runs.directory import HASHED, Run

LIBRARIES = frozenset({"pushforward", "torch", "zuko", "pytorch_lightning", "torchmetrics", "sklearn"})
MOST = 5000
"""Files and folders of an own package that are looked at."""


def source_fingerprint() -> str:
    """16 hex digits of SHA-256 over the package's sources, recorded for information."""
    digest = hashlib.sha256()
    for name, content in package_sources():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


@functools.cache
def package_sources() -> tuple[tuple[str, bytes], ...]:
    """Name and content of ours, as they are when a process first asks: what it has imported by then does not change."""
    package = Path(__file__).parents[1]
    files = sorted((p.relative_to(package).as_posix(), p) for p in package.rglob("*.py"))
    return tuple((name, p.read_bytes()) for name, p in files)


def own_modules(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the modules of no library that what is trained comes from."""

    def targets(node: Any) -> set[str]:
        if isinstance(node, Mapping):
            target = node.get("_target_")
            own = {target.split(".")[0]} if isinstance(target, str) and "." in target else set()
            return own.union(*map(targets, node.values()))
        return set().union(*map(targets, node)) if isinstance(node, list) else set()

    return sorted(targets({key: config.get(key) for key in HASHED}) - LIBRARIES)


def own_sources(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return where the own modules of a config lie, and a fingerprint of each, found without importing them."""
    places = {name: place(name) for name in own_modules(config)}
    return {
        name: {"path": path, "sha256": found} for name, path in places.items() if path and (found := of_module(path))
    }


def place(module: str) -> str | None:
    """Return the file or folder of a module that can be imported here."""
    try:
        found = find_spec(module)
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    folders = list(found.submodule_search_locations or ())
    return folders[0] if folders else found.origin


def of_module(path: str) -> str | None:
    """Return SHA-256 over the Python files of a module, 64 hex digits; None where there are none."""
    digest, seen = hashlib.sha256(), 0
    files = [path] if path.endswith(".py") and os.path.isfile(path) else []  # noqa: PTH113
    if not files:
        for folder, inside, names in os.walk(path):
            inside[:] = sorted(name for name in inside if name != "__pycache__")
            files += [os.path.join(folder, name) for name in sorted(names) if name.endswith(".py")]  # noqa: PTH118
            seen += len(inside) + len(names)
            if seen > MOST:
                break
    for file in files:
        if Path(file).is_file():
            digest.update(f"{os.path.relpath(file, path)}\0".encode() + Path(file).read_bytes() + b"\0")
    return digest.hexdigest() if files else None


def changed(run: Run) -> list[str]:
    """Return the run's own modules that are others now; one that is nowhere to be found tells nothing."""
    found = []
    for name, then in (run.status.get("own") or {}).items():
        path = place(name) or then["path"]
        now = of_module(path) if Path(path).stem == name else None
        if now is not None and now != then["sha256"]:
            found.append(name)
    return found
