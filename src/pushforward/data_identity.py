"""The identity of a user's own data: where they lie, their name, and a fingerprint of their content. Imports no torch."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.file_walk import walk

HASHED: dict[tuple[str, str], str] = {}
"""SHA-256 by path and listing: what did not change is read once in a process."""
LOOKED: ContextVar[dict[str, dict[str, str]] | None] = ContextVar("LOOKED", default=None)
"""Fingerprints that hold as long as `looked_at_once` lasts."""


@contextmanager
def looked_at_once() -> Iterator[None]:
    """While many jobs are composed, data are looked at once: even listing a large folder takes a second."""
    before = LOOKED.set({})
    try:
        yield
    finally:
        LOOKED.reset(before)


def described(data: Mapping[str, Any], option: str) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Return the node `data` with absolute paths and a name, and the fingerprint of what lies at each path, by dotted key.

    Raises PushforwardError where nothing lies there, or the name is no name.
    """
    found = {key: str(Path(path).expanduser().absolute()) for key, path in paths(data)}
    placed = with_paths(data, found)
    if "name" in placed and placed["name"] is None:
        source = placed.get("source") or {}
        named = [*map(Path, found.values()), *([Path(source["name"])] if "name" in source and not found else [])]
        placed["name"] = next((name for path in named if (name := name_of(path))), option)
    called = placed.get("name")
    if called is not None and not re.fullmatch(r"[\w+-][\w.+-]{0,63}", str(called)):
        raise PushforwardError(f"data.name={called}: it is part of folders' names; write letters, digits, . _ + and -")
    return placed, {key: fingerprint(Path(path), key) for key, path in found.items()}


def name_of(path: Path) -> str:
    """`cats` of ~/pictures/cats and of cats.npz, in ASCII letters; empty where none are left."""
    text = path.stem if path.is_file() else path.name
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w+-]+", "_", plain).strip("_-")[:32]


def paths(data: Any, key: str = "data") -> Iterator[tuple[str, str]]:
    """Yield every `path` in the source of a data config, with its dotted key: `data.source.path`."""
    node = data.get("source") if key == "data" and isinstance(data, Mapping) else data
    here = f"{key}.source" if key == "data" else key
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "path" and isinstance(value, str):
                yield f"{here}.path", value
            else:
                yield from paths(value, f"{here}.{name}")


def with_paths(data: Mapping[str, Any], places: Mapping[str, str], key: str = "data") -> dict[str, Any]:
    """Return the node with other values at some dotted keys."""
    return {
        name: places[f"{key}.{name}"]
        if f"{key}.{name}" in places
        else with_paths(value, places, f"{key}.{name}")
        if isinstance(value, Mapping)
        else value
        for name, value in data.items()
    }


def fingerprint(path: Path, key: str = "data.source.path") -> dict[str, str]:
    """Return SHA-256 over names and contents of a file or folder, and over its listing: names, sizes, times of change.

    As long as the listing is the same, the contents are not read again. Raises PushforwardError where there is nothing.
    """
    known = LOOKED.get()
    if known is not None and str(path) in known:
        return known[str(path)]
    if not path.exists():
        raise PushforwardError(f"{key}={path}: there is no such file or folder; give one that exists")
    files = named(path)
    listed = listing(files)
    if (str(path), listed) not in HASHED:
        digest = hashlib.sha256()
        for name, file in files.items():
            digest.update(name.encode(errors="surrogateescape"))
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        HASHED[str(path), listed] = digest.hexdigest()
    found = {"sha256": HASHED[str(path), listed], "listing": listed}
    if known is not None:
        known[str(path)] = found
    return found


def named(path: Path) -> dict[str, Path]:
    """Return the files at a path by their names in it; a file alone has none."""
    if path.is_file():
        return {"": path}
    return {str(file.relative_to(path)): file for file in walk(path) if file.is_file()}


def listing(files: Mapping[str, Path]) -> str:
    """Return SHA-256 over names, sizes and times of change, 64 hex digits."""
    digest = hashlib.sha256()
    for name, file in files.items():
        there = file.stat()
        digest.update(f"{name}\0{there.st_size}\0{there.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def check(config: Mapping[str, Any]) -> None:
    """Raise PushforwardError where a run's own data are not what they were when it was composed."""
    places = dict(paths(config.get("data") or {}))
    for key, then in (config.get("content") or {}).items():
        path, elsewhere = Path(places[key]), f"pushforward evaluate RUN {key}=…"
        if not path.exists():
            raise PushforwardError(f"{key}={path}: the run's data are no longer there; say where: {elsewhere}")
        if listing(named(path)) != then["listing"] and fingerprint(path, key)["sha256"] != then["sha256"]:
            raise PushforwardError(
                f"{key}={path}: what lies there is not what the run was trained on; put that back, or say where it is now: "
                f"{elsewhere}; to train on what is there now, start its command again"
            )


def moved(config: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a run's config with its data elsewhere, as `data.source.path=NEW` says.

    Raises PushforwardError where a key is none of its paths, or other data lie there.
    """
    known: Mapping[str, Any] = config.get("content") or {}
    asked = {key: value for key, _, value in (override.partition("=") for override in overrides)}
    for key, path in asked.items():
        if key not in known:
            raise PushforwardError(f"{key}={path}: this run has no such path; it has {', '.join(known) or 'none'}")
        if fingerprint(Path(path).expanduser().absolute(), key)["sha256"] != known[key]["sha256"]:
            raise PushforwardError(f"{key}={path}: other data than the run was trained on lie there")
    places = {key: str(Path(path).expanduser().absolute()) for key, path in asked.items()}
    own = {**known, **{key: fingerprint(Path(path), key) for key, path in places.items()}}
    return {**config, "data": with_paths(config["data"], places), "content": own}
