"""The record of a sweep: `sweep.json` in its folder, for `pushforward status`; its id, by which W&B groups its jobs."""

import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pushforward import config, run_identity
from pushforward.atomic_files import Lock, write_whole
from pushforward.errors import PushforwardError, Unreadable
from pushforward.runs import Run, data_name, runs_dir, schema
from pushforward.runs.sweep_folders import FILE
from pushforward.training.loggers import SWEEP

STOPPED = 130
"""Exit code of a job that a person stopped, or that never began for it."""


@contextmanager
def recorded(
    folder: Path, frozen: Sequence[dict[str, Any]], overrides: Sequence[Sequence[str]], parallel: int | None = None
) -> Iterator[list[int]]:
    """A sweep's jobs are on record while this lasts and after. What is refused before a job starts leaves nothing behind.

    The list is for the jobs' exit codes. The folder's lock tells others that the sweep lives. Jobs that are handed to a
    launcher in several batches are one sweep.
    """
    lock = Lock(folder)
    lock.acquire()
    old = read(folder)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    jobs = [
        {"run": config.run_id(f), "overrides": " ".join(o), "model": f["choices"].get("model"), "data": data_name(f)}
        for f, o in zip(frozen, overrides, strict=True)
    ]
    content = {
        "name": varied(overrides), "group": group(frozen, overrides),
        "started": now, "command": " ".join(sys.argv), "host": socket.gethostname(),
        **old, "parallel": parallel, "ended": None, "jobs": [*old.get("jobs", []), *jobs],
    }  # fmt: skip
    write(folder, content)
    codes: list[int] = []
    try:
        with grouped(content["group"]):
            yield codes
        content["stopped"] = STOPPED in codes
        content["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
        write(folder, content)
    except PushforwardError:
        if any(Run(runs_dir() / job["run"]).status.get("updated", "") >= now for job in jobs):
            raise
        with suppress(OSError):
            (write(folder, old) if old else (folder / FILE).unlink())
            (folder / ".lock").unlink()
        raise
    finally:
        lock.release()


def read(folder: Path) -> dict[str, Any]:
    try:
        return schema.read(folder / FILE, schema.SWEEP)
    except Unreadable:
        return {}


def write(folder: Path, content: dict[str, Any]) -> None:
    write_whole(folder / FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def group(frozen: Sequence[dict[str, Any]], overrides: Sequence[Sequence[str]]) -> str:
    """`model=vae,gan seed=1..3 5f1c2a9b`: the W&B group of these jobs, one for a sweep however often it is started."""
    content = "\n".join(sorted({run_identity.identity(one) for one in frozen}))
    return f"{varied(overrides)[:100]} {hashlib.sha256(content.encode()).hexdigest()[:8]}"


def varied(overrides: Sequence[Sequence[str]]) -> str:
    """`model=vae,gan seed=0..4`: what the jobs differ in; all that was asked for where they are one."""
    values: dict[str, list[str]] = {}
    for job in overrides:
        for override in job:
            key, _, value = override.partition("=")
            values.setdefault(key, [])
            if value not in values[key]:
                values[key].append(value)
    several = {key: found for key, found in values.items() if len(found) > 1} or values
    return " ".join(f"{key}={_listed(found)}" for key, found in several.items())


def _listed(values: list[str]) -> str:
    numbers = [int(v) for v in values if v.lstrip("-").isdigit()]
    if len(numbers) == len(values) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return f"{numbers[0]}..{numbers[-1]}"
    return ",".join(values)


@contextmanager
def grouped(name: str) -> Iterator[None]:
    """Let jobs that are started while this lasts know the sweep that they belong to."""
    before = os.environ.get(SWEEP)
    os.environ[SWEEP] = name
    try:
        yield
    finally:
        os.environ.pop(SWEEP)
        if before is not None:
            os.environ[SWEEP] = before
