"""Records that travel: the configs and records of many runs in one small file, which reads as if the runs were there.

Without weights, arrays, curves and logs, and without names of machines and their folders. Imports no torch.
"""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pushforward.atomic_files import is_name, name, read_plain, write_whole
from pushforward.errors import PushforwardError, Unreadable
from pushforward.runs import schema
from pushforward.runs.directory import NO_NUMBER, Run

SUFFIX = ".json.gz"
FORMAT = 1
LEFT_OUT = ("logger", "metrics", "features", "retry")
"""Keys of a config that are not packed: they say what is measured and logged, and cards say what was."""
STATUS = ("state", "identity", "commit", "images_seen", "budget_images", "updated")
RECORD = ("identity", "improving", "stopped_early", "failed")
COST = ("parameters", "images_per_second", "train_seconds", "data_wait", "images_seen")
EXECUTION = ("device", "devices", "threads", "precision", "executed")
"""The parts that are packed of a run's status and record."""
MOST_PACKED, MOST_BYTES = 2**26, 2**29
"""Bytes of a file, and of what is in it."""


class PackedRun(Run):
    """A run read from a file of packed records: it has its numbers, and no weights, arrays or curves."""

    def __init__(self, file: Path, packed: Mapping[str, Any]):
        super().__init__(file / str(packed["id"]))
        self._packed = packed

    def _read(self, name: str, spec: schema.Spec) -> dict[str, Any]:
        part = name.partition(".")[0]
        try:
            return schema.fitting(self._packed.get(part, {}), spec, f"{part} in {self.path.parent.name}")
        except Unreadable as error:
            self._damage[name] = str(error)
            return {}


def pack(runs: Iterable[Run], file: Path) -> None:
    """Write the records of `runs` to `file`. The same runs give the same bytes. Raises PushforwardError for a damaged one."""
    lines = [json.dumps({"pushforward records": FORMAT})]
    for run in sorted({run.id: run for run in runs}.values(), key=lambda run: run.id):
        lines.append(json.dumps(packed(run.readable()), ensure_ascii=False, separators=(",", ":")))
    # no time and no name in gzip's header
    write_whole(file, gzip.compress("\n".join([*lines, ""]).encode(), mtime=0))


def packed(run: Run) -> dict[str, Any]:
    """The parts of a run that are packed."""
    record = run.record
    parts = {"cost": _some(record.get("cost"), COST), "execution": _some(record.get("execution"), EXECUTION)}
    if weights := record.get("weights"):
        parts["weights"] = {
            name: {"metrics": _numbers(block), **_some(block, ("na",))} for name, block in weights.items()
        }
    return {
        "id": name(run.path.name, "run"),
        "config": {key: value for key, value in run.config.items() if key not in LEFT_OUT},
        "status": _some(run.status, STATUS),
        "record": {"metrics": _numbers(record), **_some(record, RECORD), **parts},
    }


def _numbers(part: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The `metrics` of a part of a record, without what their entries do not say."""
    return {
        metric: {key: value for key, value in entry.items() if value != NO_NUMBER.get(key, ...)}
        for metric, entry in (part.get("metrics") or {}).items()
    }


def _some(found: Mapping[str, Any] | None, keys: Iterable[str]) -> dict[str, Any]:
    """Those of the keys that have a value."""
    return {key: found[key] for key in keys if found.get(key) is not None} if found else {}


def unpack(file: Path | str) -> list[Run]:
    """Return the runs of a file that `pack` wrote. Raises PushforwardError where it is none."""
    path = Path(file).absolute()
    try:
        content = read_plain(path, MOST_PACKED)
        if content is None:
            raise Unreadable("there is no such file")
        return [PackedRun(path, line) for line in _lines(content)]
    except Unreadable as error:
        raise PushforwardError(f"{os.fspath(file)}: {error}; `pushforward records pack` writes such files") from None


def _lines(content: bytes) -> list[dict[str, Any]]:
    reader = zlib.decompressobj(wbits=31)
    try:
        text = reader.decompress(content, MOST_BYTES)
        if reader.unconsumed_tail:
            raise Unreadable(f"it holds more than {MOST_BYTES:,} bytes")
        head, *found = [json.loads(line) for line in text.decode().rstrip("\n").split("\n")]
    except (zlib.error, ValueError, RecursionError):
        raise Unreadable("these are no packed records, or they are damaged") from None
    if not reader.eof or not isinstance(head, dict) or "pushforward records" not in head:
        raise Unreadable("these are no packed records, or they are cut short")
    if head["pushforward records"] != FORMAT:
        raise Unreadable(f"these are records of format {head['pushforward records']}, this version reads {FORMAT}")
    if not all(isinstance(line, dict) and isinstance(line.get("id"), str) and is_name(line["id"]) for line in found):
        raise Unreadable("a line of it is no run")
    return found
