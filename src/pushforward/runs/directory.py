"""A run directory: reading what a run wrote, and writing it. Imports no torch."""

import errno
import json
import math
import os
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from pushforward.atomic_files import CurveWriter, Lock, is_locked, read_curves, tidy, whole, write_whole
from pushforward.errors import PushforwardError, Unreadable
from pushforward.runs import schema
from pushforward.runs.weights import measured_with, numbers
from pushforward.untrusted_text import line

if TYPE_CHECKING:
    import numpy as np

HASHED = (
    "results",
    "seed",
    "data",
    "model",
    "budget",
    "batch_size",
    "precision",
    "selection",
    "callbacks",
    "init_from",
)
"""Top-level config keys that decide what is trained: a run's identity is their hash. What the model takes of other groups
stands in `model`."""

TAKEN = ("network", "likelihood", "corruption", "sampler", "weighting", "optimizer", "condition")
"""Groups that count by what the model takes of them: `${network}`. What it does not take trains nothing."""

KILLED = "stopped (killed)"
NO_NUMBER: Mapping[str, Any] = {"value": None, "unit": "", "card": {}, "na": None, "column": {}}
UNREADABLE = "unreadable"
"""The state of a run whose status, or whose record where it is finished, is damaged: `Run.damage` says why."""


def outputs() -> Path:
    """Return where everything is written: `$PUSHFORWARD_OUTPUTS`, else `outputs` in the working directory."""
    return Path(os.environ.get("PUSHFORWARD_OUTPUTS") or "outputs").absolute()


def runs_dir() -> Path:
    return outputs() / "runs"


def data_name(config: Mapping[str, Any]) -> str | None:
    """Return what a run's data are called: `data.name`, else the option chosen."""
    node = config.get("data")
    own = node.get("name") if isinstance(node, Mapping) else None
    return own or (config.get("choices") or {}).get("data")


def _plain(value: Any) -> Any:
    """`value` as strict JSON: numpy scalars as numbers, paths as text, non-finite floats as null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _entries(part: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The `metrics` of a part of a record, each with all of an entry's keys."""
    metrics = {name: {**NO_NUMBER, **entry} for name, entry in (part.get("metrics") or {}).items()}
    for entry in metrics.values():
        entry["card"], entry["column"] = entry["card"] or {}, entry["column"] or {}
    return metrics


class Run:
    """A run directory, read-only and read lazily. What has been read is kept: make a new `Run` to see changes."""

    as_html: "ClassVar[Callable[[Run], str] | None]" = None
    """How a notebook shows a run: set by the package, for nothing is known of pictures here."""

    def __init__(self, path: Path | str):
        self.path = Path(path).absolute()
        self._damage: dict[str, str] = {}
        self.weights: str | None = None
        """The set of weights whose numbers are read (`catalogue.by_weights`); None: those that were chosen."""

    @property
    def id(self) -> str:
        """The folder's name, as it may be shown."""
        return line(self.path.name)

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def arrays(self) -> Path:
        return self.path / "arrays"

    def __repr__(self) -> str:
        return f"<run {self.id}: {self.state}>"

    def _repr_html_(self) -> str | None:
        return Run.as_html and Run.as_html(self)

    @cached_property
    def config(self) -> dict[str, Any]:
        """`config.yaml`; {} where there is none, or where it is damaged."""
        return self._read("config.yaml", schema.CONFIG)

    @property
    def queued(self) -> dict[str, Any]:
        """The config that a launcher has left for a run which has not begun."""
        return self._read("frozen.yaml", schema.CONFIG)

    @cached_property
    def status(self) -> dict[str, Any]:
        """`status.json` as it was last written; `state` tells how the run stands now. {} where it is damaged."""
        return self._read("status.json", schema.STATUS)

    @cached_property
    def state(self) -> str:
        """running, finished, failed, stopped, diverged, unreadable; "stopped (killed)" of a running one without its process."""
        state = self.status.get("state", "new")
        if self.damage("status.json") or (state == "finished" and self.damage("record.json")):
            return UNREADABLE
        return KILLED if state == "running" and not self._alive() else state

    def _alive(self) -> bool:
        foreign = False
        if (self.path / ".lock").exists():
            try:
                return is_locked(self.path)
            except OSError:  # nobody but its owner may ask, or there are no locks
                foreign = True
        pid = self.status.get("pid")
        if not pid or self.status.get("host") != socket.gethostname():
            return foreign and bool(pid)
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    @cached_property
    def record(self) -> dict[str, Any]:
        """`record.json`; {} where there is none, or where it is damaged."""
        found = self._read("record.json", schema.RECORD)
        if metrics := _entries(found):
            found = {**found, "metrics": metrics}
        if blocks := found.get("weights"):
            found = {
                **found,
                "weights": {name: {**(b or {}), "metrics": _entries(b or {})} for name, b in blocks.items()},
            }
        return found

    def _read(self, name: str, spec: schema.Spec) -> dict[str, Any]:
        self._damage.pop(name, None)
        try:
            return schema.read(self.path / name, spec)
        except Unreadable as error:
            self._damage[name] = str(error)
            return {}

    def damage(self, *names: str) -> str | None:
        """Why a file of the run cannot be read: of all three, unless `names` says which; None where they can."""
        files = {"status.json": "status", "record.json": "record", "config.yaml": "config"}
        for name in names or files:
            getattr(self, files[name])
            if name in self._damage:
                return self._damage[name]
        return None

    def readable(self, *names: str) -> "Run":
        """This run. Raises PushforwardError where one of its files is damaged: which, why, and how it is written anew."""
        if found := self.damage(*names):
            anew = f"pushforward evaluate {self.id}" if "record.json" in found else "the command that trained it"
            raise PushforwardError(f"{self.id}: unreadable: {found}; {anew} writes it anew")
        return self

    @cached_property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every number of the record by name, each with its unit and card, of the set `weights`; the cost of training last."""
        from pushforward.runs.training_cost import columns

        measured = numbers(self.record, self.weights)
        return measured | {name: entry for name, entry in columns(self.record).items() if name not in measured}

    def value(self, metric: str) -> float | None:
        """The number a metric has in the record, in the record's unit; None where it has none, or is not trained to its end.

        `metrics` has what was measured of a run on its way; it is no result to rank or to average.
        """
        return (self.metrics.get(metric) or {}).get("value") if self.status.get("state") == "finished" else None

    def curves(self) -> "dict[str, np.ndarray]":
        """Training curves: arrays of equal length, `images_seen` and each term; NaN where a row lacks it."""
        return read_curves(self.path / "metrics.csv")

    @property
    def choices(self) -> dict[str, Any]:
        return self.config.get("choices") or {}

    @property
    def data(self) -> str | None:
        """The name of its data."""
        return data_name(self.config)

    @property
    def images(self) -> str | None:
        """The name of the images that it was trained on, or that its data are codes of."""
        return (self.config.get("encoder") or {}).get("data") or self.data

    def key(self, dotted: str) -> Any:
        """The config's value at a dotted key; for a group the option chosen, for `data` their name; None where absent.

        `weights`: the set of weights whose numbers it has.
        """
        node: Any = self.config
        for part in dotted.split("."):
            if isinstance(node, Mapping):
                node = node.get(part)
            elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
                node = node[int(part)]
            else:
                node = None
        if node is not None and not isinstance(node, Mapping):
            return node
        if dotted == "weights":
            return self.weights or measured_with(self.record)
        return self.data if dotted == "data" else self.choices.get(dotted.replace(".", "/"))

    @property
    def identity(self) -> str | None:
        """The hash of what it trains, as its status has it; None where it has none yet, or an old, short one."""
        found = str(self.status.get("identity") or "")
        return found if len(found) == 64 else None

    def when(self, field: str = "updated") -> datetime | None:
        text = self.status.get(field)
        return None if text is None else schema.moment(text)


class RunDir(Run):
    """A run directory open for writing. Take its `lock` first; each change is on disk when the call returns."""

    def __init__(self, path: Path | str):
        super().__init__(path)
        self.lock = Lock(self.path)

    @classmethod
    def create(cls, path: Path | str, config: Mapping[str, Any]) -> "RunDir":
        """Make the folders, writes `config.yaml`, removes what a killed writer left; the rest of an old run stays."""
        run = cls(path)
        for folder in (run.checkpoints, run.samples, run.arrays):
            folder.mkdir(parents=True, exist_ok=True)
        tidy(run.path)
        write_whole(run.path / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))
        run.__dict__.pop("config", None)
        return run

    def _write(self, name: str, value: Mapping[str, Any], durable: bool = True) -> None:
        text = json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        self.check_there()
        write_whole(self.path / name, text, durable)
        for cached in ("status", "state", "record", "metrics"):
            self.__dict__.pop(cached, None)

    def check_there(self) -> None:
        """Raise FileNotFoundError where the folder of a run that has begun was deleted: it is not made anew in part."""
        if self.lock.lost or (self.lock.held and not self.path.is_dir()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))

    def set_status(self, durable: bool = True, **changes: Any) -> None:
        """Merge `changes` into `status.json`; run id, pid, host and the time of the change are added."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.__dict__.pop("status", None)  # another process may have written since
        kind = {"model": self.choices.get("model"), "data": self.data}
        old = {"run_id": self.id, **kind, "started": now, "error": None} | self.status
        now_here = {"updated": now, "pid": os.getpid(), "host": socket.gethostname()}
        self._write("status.json", old | now_here | changes, durable)

    def write_record(self, metrics: Mapping[str, Any], **parts: Any) -> None:
        """Replace `record.json` by {"metrics": metrics, **parts} (improving, execution, cost)."""
        self._write("record.json", {"metrics": metrics, **parts})

    def update_record(self, metrics: Mapping[str, Any], **parts: Any) -> None:
        """Measure more: merges metrics by name, and parts by key, into the record."""
        self.__dict__.pop("record", None)
        self._write(
            "record.json", self.record | parts | {"metrics": (self.record.get("metrics") or {}) | dict(metrics)}
        )

    def write_arrays(self, name: str, **arrays: Any) -> Path:
        """Write `arrays/<name>.npz`, from which pictures are drawn."""
        import numpy as np

        self.check_there()
        path = self.arrays / f"{name}.npz"
        with whole(path) as aside:
            np.savez_compressed(aside, **arrays)
        return path

    def curve_writer(self) -> CurveWriter:
        return CurveWriter(self.path / "metrics.csv")
