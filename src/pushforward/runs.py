"""Run directories: where they are, how to read, write and find them. Imports no torch."""

import difflib
import hashlib
import json
import math
import os
import socket
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pushforward.errors import PushforwardError
from pushforward.store import CurveWriter, Lock, holder, is_locked, read_curves, tidy, whole, write_whole

if TYPE_CHECKING:
    import numpy as np
    import pandas

    from pushforward.report.tables import Table

__all__ = [
    "CurveWriter",
    "Lock",
    "Run",
    "RunDir",
    "RunList",
    "find",
    "holder",
    "is_locked",
    "outputs",
    "runs",
    "runs_dir",
    "source_fingerprint",
    "whole",
    "write_whole",
]

HASHED = (
    "results",
    "seed",
    "data",
    "network",
    "model",
    "weighting",
    "optimizer",
    "budget",
    "batch_size",
    "precision",
    "selection",
)
"""Top-level config keys that decide what is trained: a run's identity is their hash."""

KILLED = "stopped (killed)"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def outputs() -> Path:
    """Where everything is written: `$PUSHFORWARD_OUTPUTS`, else `outputs` in the working directory."""
    return Path(os.environ.get("PUSHFORWARD_OUTPUTS") or "outputs").absolute()


def runs_dir() -> Path:
    return outputs() / "runs"


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise PushforwardError(f"{path} is not JSON ({error}); delete the run's folder to train it again.") from None


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


class Run:
    """A run directory, read-only and read lazily. What has been read is kept: make a new `Run` to see changes."""

    def __init__(self, path: Path | str):
        self.path = Path(path).absolute()

    @property
    def id(self) -> str:
        return self.path.name

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

    @cached_property
    def config(self) -> dict[str, Any]:
        file = self.path / "config.yaml"
        try:
            return yaml.load(file.read_bytes(), Loader=_Loader) or {}
        except FileNotFoundError:
            return {}
        except yaml.YAMLError as error:
            raise PushforwardError(
                f"{file} is not YAML ({str(error).splitlines()[0]}); delete the run's folder."
            ) from None

    @cached_property
    def status(self) -> dict[str, Any]:
        """`status.json` as it was last written; `state` tells how the run stands now."""
        return _json(self.path / "status.json")

    @cached_property
    def state(self) -> str:
        """running, finished, failed, stopped, diverged; "stopped (killed)" where a running one's process is gone."""
        state = self.status.get("state", "new")
        return KILLED if state == "running" and not self._alive() else state

    def _alive(self) -> bool:
        if (self.path / ".lock").exists():
            return is_locked(self.path)
        pid = self.status.get("pid")
        if not pid or self.status.get("host") != socket.gethostname():
            return False
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    @cached_property
    def record(self) -> dict[str, Any]:
        return _json(self.path / "record.json")

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every number of the record by name, each with its unit and card; the cost of training last."""
        from pushforward.report.cost import columns

        measured = self.record.get("metrics") or {}
        return measured | {name: entry for name, entry in columns(self.record).items() if name not in measured}

    def value(self, metric: str) -> float | None:
        """The number a metric has in the record, in the record's unit; None where it has none."""
        return (self.metrics.get(metric) or {}).get("value")

    def curves(self) -> "dict[str, np.ndarray]":
        """Training curves: arrays of equal length, `images_seen` and each term; NaN where a row lacks it."""
        return read_curves(self.path / "metrics.csv")

    @property
    def choices(self) -> dict[str, Any]:
        return self.config.get("choices") or {}

    def key(self, dotted: str) -> Any:
        """The config's value at a dotted key; for a group (`model`, `data`, …) the option chosen; None where absent."""
        node: Any = self.config
        for part in dotted.split("."):
            if isinstance(node, Mapping):
                node = node.get(part)
            elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
                node = node[int(part)]
            else:
                node = None
        return self.choices.get(dotted.replace(".", "/")) if node is None or isinstance(node, Mapping) else node

    def stale(self, fingerprint: str) -> bool:
        """Whether the run was trained by other source than `fingerprint`."""
        return self.status.get("fingerprint") not in (None, fingerprint)

    def when(self, field: str = "updated") -> datetime | None:
        try:
            return datetime.fromisoformat(self.status[field])
        except (KeyError, TypeError, ValueError):
            return None


class RunDir(Run):
    """A run directory open for writing. Take its `lock` first; each change is on disk when the call returns."""

    def __init__(self, path: Path | str):
        super().__init__(path)
        self.lock = Lock(self.path)

    @classmethod
    def create(cls, path: Path | str, config: Mapping[str, Any]) -> "RunDir":
        """Makes the folders, writes `config.yaml`, removes what a killed writer left; the rest of an old run stays."""
        run = cls(path)
        for folder in (run.checkpoints, run.samples, run.arrays):
            folder.mkdir(parents=True, exist_ok=True)
        tidy(run.path)
        write_whole(run.path / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))
        run.__dict__.pop("config", None)
        return run

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        write_whole(self.path / name, json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        for cached in ("status", "state", "record"):
            self.__dict__.pop(cached, None)

    def set_status(self, **changes: Any) -> None:
        """Merges `changes` into `status.json`; run id, pid, host and the time of the change are added."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.__dict__.pop("status", None)  # another process may have written since
        old = {"run_id": self.id, "started": now, "error": None} | self.status
        self._write("status.json", old | {"updated": now, "pid": os.getpid(), "host": socket.gethostname()} | changes)

    def write_record(self, metrics: Mapping[str, Any], **parts: Any) -> None:
        """Replaces `record.json` by {"metrics": metrics, **parts} (improving, execution, cost)."""
        self._write("record.json", {"metrics": metrics, **parts})

    def update_record(self, metrics: Mapping[str, Any], **parts: Any) -> None:
        """Measures more: merges metrics by name, and parts by key, into the record."""
        self.__dict__.pop("record", None)
        self._write(
            "record.json", self.record | parts | {"metrics": (self.record.get("metrics") or {}) | dict(metrics)}
        )

    def write_arrays(self, name: str, **arrays: Any) -> Path:
        """Writes `arrays/<name>.npz`, from which pictures are drawn."""
        import numpy as np

        path = self.arrays / f"{name}.npz"
        with whole(path) as aside:
            np.savez_compressed(aside, **arrays)
        return path

    def curve_writer(self) -> CurveWriter:
        return CurveWriter(self.path / "metrics.csv")


class RunList(list[Run]):
    """Runs, as a list that can become a frame or a table."""

    def frame(self) -> "pandas.DataFrame":
        """One row a run: id, state, seed, options chosen, every config key in which the runs differ, every metric."""
        try:
            import pandas
        except ImportError:
            raise PushforwardError(
                "frame() needs pandas: pip install 'pushforward[notebook]' (or use .table())."
            ) from None
        flat = [flatten(run.config) for run in self]
        keys = dict.fromkeys(k for f in flat for k in f if not k.startswith("choices."))
        vary = [k for k in keys if k != "seed" and len({repr(f.get(k)) for f in flat}) > 1]
        rows = []
        for run, leaves in zip(self, flat, strict=True):
            row = {"id": run.id, "state": run.state, "seed": run.key("seed")} | run.choices
            row |= {k: leaves.get(k) for k in vary} | {name: run.value(name) for name in run.metrics}
            rows.append(row)
        return pandas.DataFrame(rows)

    def table(self, rows: Iterable[str] = ("model",), columns: Iterable[str] = (), **options: Any) -> "Table":
        """The comparison table of these runs (`pushforward.report.tables.build`); options: allow_mixed, title, fingerprint."""
        from pushforward.report.tables import build

        return build(self, rows=tuple(rows), columns=tuple(columns), **options)


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of a nested config by dotted key."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else None
    if items is None or not node:
        return {prefix: node} if prefix else {}
    return {
        k: v for name, child in items for k, v in flatten(child, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def every_run(root: Path | None = None) -> RunList:
    """All run directories in `root` (default `runs_dir()`), by name."""
    root = runs_dir() if root is None else Path(root)
    try:
        with os.scandir(root) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
    except FileNotFoundError:
        return RunList()
    return RunList(Run(root / name) for name in names if os.access(root / name / "config.yaml", os.F_OK))


def _scalar(text: Any) -> Any:
    """A value as YAML 1.2 reads it: PyYAML alone takes 1e-3 for text."""
    if not isinstance(text, str):
        return text
    try:
        return float(text) if "." in text or "e" in text.lower() else yaml.load(text, Loader=_Loader)
    except (ValueError, yaml.YAMLError):
        try:
            return yaml.load(text, Loader=_Loader)
        except yaml.YAMLError:
            return text


def _matches(run: Run, filters: Mapping[str, Any]) -> bool:
    def same(found: Any, wanted: Any) -> bool:
        if isinstance(wanted, list | tuple | set | range):
            return any(same(found, one) for one in wanted)
        if isinstance(found, list):  # tags=demo: one of them
            return any(same(one, wanted) for one in found)
        found, wanted = _scalar(found), _scalar(wanted)
        return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted

    return all(same(run.state if key == "state" else run.key(key), wanted) for key, wanted in filters.items())


def runs(root: Path | str | None = None, **filters: Any) -> RunList:
    """Runs whose config has these values: `runs(model="vae", seed=[1, 2], weighting__beta=4)`; `__` is a dot."""
    wanted = {key.replace("__", "."): value for key, value in filters.items()}
    return RunList(run for run in every_run(None if root is None else Path(root)) if _matches(run, wanted))


def find(spec: str, root: Path | str | None = None) -> RunList:
    """Runs meant by RUN: a folder, an id or its beginning, `latest`, or a filter: `model=vae,weighting.beta=4`."""
    if (Path(spec) / "config.yaml").is_file():
        return RunList([Run(spec)])
    where = runs_dir() if root is None else Path(root)
    known = every_run(where)
    if not known:
        raise PushforwardError(f"No runs in {where}: train one, or set PUSHFORWARD_OUTPUTS to where they are.")
    if spec == "latest":
        return RunList([max(known, key=lambda run: (str(run.status.get("updated", "")), run.id))])
    if "=" in spec:
        pairs = [part.partition("=") for part in spec.split(",") if part.strip()]
        if any(not equals for _, equals, _ in pairs):
            raise PushforwardError(f"Cannot read the filter '{spec}': write KEY=VALUE,KEY=VALUE.")
        found = RunList(run for run in known if _matches(run, {k.strip(): v.strip() for k, _, v in pairs}))
    else:
        found = RunList(run for run in known if run.id == spec) or RunList(r for r in known if r.id.startswith(spec))
    if not found:
        ids = [run.id for run in known]
        near = difflib.get_close_matches(spec, ids, n=3, cutoff=0.3) or ids[:3]
        raise PushforwardError(f"No run matches '{spec}' in {where}. Nearest: {', '.join(near)}.")
    return found


NOT_TRAINING = (
    *("report/", "metrics/", "protocol/", "training/tour"),
    *(f"training/{name}.py" for name in ("again", "evaluate", "pictures", "show", "loggers", "progress")),
    *("training/features.py", "training/classifier.py", "cli.py", "__main__.py", "runs.py", "store.py", "__init__.py"),
    *("complaints.py", "doctor.py", "sweep"),
)
"""Sources that measure, show or place a run, and cannot change what it trains."""


def source_fingerprint(extra_modules: Iterable[Path | str] = ()) -> str:
    """16 hex digits of SHA-256 over the sources that training depends on: ours, and a person's own modules by path."""
    package = Path(__file__).parent
    files = [(p.relative_to(package).as_posix(), p) for p in package.rglob("*.py")]
    files = sorted((name, p) for name, p in files if not name.startswith(NOT_TRAINING))
    for extra in sorted(map(Path, extra_modules)):
        own = sorted(extra.rglob("*.py")) if extra.is_dir() else [extra]
        files += [(f"own/{p.relative_to(extra.parent).as_posix()}", p) for p in own]
    digest = hashlib.sha256()
    for name, path in files:
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]
