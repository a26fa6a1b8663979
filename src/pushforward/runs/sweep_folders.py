"""Sweeps as their folders tell of them: `outputs/sweeps/<id>/sweep.json`, and the runs it names. Imports no torch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pushforward.atomic_files import is_locked, is_name
from pushforward.errors import PushforwardError, Unreadable
from pushforward.runs import schema
from pushforward.runs.catalogue import every_run, find, is_filter
from pushforward.runs.directory import KILLED, Run, outputs, runs_dir
from pushforward.untrusted_text import line

FILE = "sweep.json"


def sweeps_dir() -> Path:
    return outputs() / "sweeps"


class Sweep:
    """A sweep, read-only. How its jobs stand is read from their run directories: they may have gone on elsewhere."""

    def __init__(self, path: Path | str, runs: Path | None = None):
        self.path = Path(path).absolute()
        self.runs_dir = runs or runs_dir()

    @property
    def id(self) -> str:
        return line(self.path.name)

    @cached_property
    def written(self) -> dict[str, Any]:
        """`sweep.json`; where it is damaged, a name that says why."""
        try:
            return schema.read(self.path / FILE, schema.SWEEP)
        except Unreadable as error:
            return {"name": f"unreadable: {error}"}

    @property
    def name(self) -> str:
        """The keys that it varies, as given."""
        return str(self.written.get("name") or "")

    @property
    def parallel(self) -> int | None:
        """Jobs at once, where it was asked for a number."""
        return self.written.get("parallel")

    @property
    def started(self) -> datetime | None:
        return schema.moment(self.written.get("started") or "")

    @property
    def ended(self) -> datetime | None:
        return schema.moment(self.written.get("ended") or "")

    @property
    def stopped(self) -> bool:
        """Whether it was killed, or stopped by a person; one whose jobs were handed to a cluster was not."""
        return not self.alive and (self.ended is None or bool(self.written.get("stopped")))

    @property
    def alive(self) -> bool:
        """Whether its process lives: it holds the folder's lock as long as it does."""
        try:
            return is_locked(self.path)
        except OSError:  # another user's, who alone may ask: as it was last written
            return self.ended is None

    @cached_property
    def run_ids(self) -> list[str]:
        jobs = self.written.get("jobs") or []
        return list(dict.fromkeys(job["run"] for job in jobs if is_name(job.get("run", ""))))

    @cached_property
    def kinds(self) -> dict[str, tuple[str, str]]:
        """Names of recipe and data of each job's run, where the sweep has written them."""
        jobs = self.written.get("jobs") or []
        return {job["run"]: (job["model"], job["data"]) for job in jobs if job.get("model") and job.get("data")}

    def runs(self, known: Mapping[str, Run] | None = None) -> list[Run]:
        """Return a Run for each job, `known` ones by id; a job that has not begun has a Run without files, of state new."""
        return [(known or {}).get(name) or Run(self.runs_dir / name) for name in self.run_ids]

    def counts(self, known: Mapping[str, Run] | None = None) -> dict[str, int]:
        """{state: jobs}, as the run directories have it now; "waiting" where none has begun."""
        found: dict[str, int] = {}
        for run in self.runs(known):
            state = {"new": "waiting", KILLED: "stopped"}.get(run.state, run.state)
            found[state] = found.get(state, 0) + 1
        return found


def every_sweep(root: Path | None = None) -> list[Sweep]:
    """Return all sweeps in `root` (default `outputs/sweeps`) that say what they are, the latest last."""
    folder = root or sweeps_dir()
    return sorted((Sweep(path.parent) for path in folder.glob(f"*/{FILE}")), key=lambda sweep: sweep.id)


def every_study(root: Path | None = None) -> list[dict[str, Any]]:
    """The state of each search in `outputs/studies`, as last written: name, trials, complete, pruned, failed, best, …"""
    folder = root or outputs() / "studies"
    return [read_study(file.parent) for file in sorted(folder.glob("*/status.json"))]


def read_study(folder: Path) -> dict[str, Any]:
    """Return how the search in a folder stands; of a damaged one its name, and why it is `unreadable`."""
    try:
        return {"name": line(folder.name), **schema.read(folder / "status.json", schema.STUDY)}
    except Unreadable as error:
        return {"name": line(folder.name), "unreadable": str(error)}


def find_sweep(spec: str, root: Path | None = None) -> Sweep | None:
    """The sweep meant by a folder, an id or its beginning; None where there is none. Raises PushforwardError for several."""
    if (Path(spec) / FILE).is_file():
        return Sweep(spec)
    known = every_sweep(root)
    found = [s for s in known if s.id == spec] or [s for s in known if s.id.startswith(spec)]
    if len(found) > 1:
        raise PushforwardError(f"'{spec}' means {len(found)} sweeps; name one: {', '.join(s.id for s in found[-4:])}")
    return found[0] if found else None


def chosen(specs: Sequence[str]) -> tuple[list[Run], list[Sweep]]:
    """Return what words on a command line mean: RUN, or a sweep and with it its runs. Everything there is without a word."""
    if not specs:
        return every_run(), every_sweep()
    runs: list[Run] = []
    sweeps: list[Sweep] = []
    for spec in specs:
        sweep = None if is_filter(spec) else find_sweep(spec)
        if sweep is None:
            runs += find(spec)
        else:
            sweeps.append(sweep)
            runs += [run for run in sweep.runs() if run.state != "new"]
    return list({run.path: run for run in runs}.values()), sweeps
