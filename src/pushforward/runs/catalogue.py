"""Finding runs: all there are, by folder, by the beginning of an id, by what their config says. Imports no torch."""

import copy
import difflib
import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pushforward.atomic_files import read_plain
from pushforward.errors import PushforwardError, Unreadable
from pushforward.runs import hub
from pushforward.runs.directory import Run, runs_dir
from pushforward.runs.schema import parse_yaml
from pushforward.runs.weights import SETS, sets


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a nested config by dotted key."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else None
    if items is None or not node:
        return {prefix: node} if prefix else {}
    return {
        k: v for name, child in items for k, v in flatten(child, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def every_run(root: Path | None = None) -> list[Run]:
    """Return all run directories in `root` (default `runs_dir()`), by name."""
    root = runs_dir() if root is None else Path(root)
    try:
        with os.scandir(root) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith("."))
    except FileNotFoundError:
        return []
    # what is no folder has no config.yaml; a link to nothing, or to itself, is a config.yaml that cannot be read
    return [Run(root / name) for name in names if os.path.lexists(root / name / "config.yaml")]


def _scalar(text: Any) -> Any:
    """Return a value as YAML 1.2 reads it: PyYAML alone takes 1e-3 for text."""
    if not isinstance(text, str):
        return text
    try:
        return float(text) if "." in text or "e" in text.lower() else parse_yaml(text)
    except (ValueError, yaml.YAMLError):
        try:
            return parse_yaml(text)
        except (ValueError, yaml.YAMLError):
            return text


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list | tuple | set | range):
        return any(_same(found, one) for one in wanted)
    if isinstance(found, list):  # tags=demo: one of them
        return any(_same(one, wanted) for one in found)
    found, wanted = _scalar(found), _scalar(wanted)
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


class Condition(NamedTuple):
    """What a filter says of one key: `sign` is =, !=, <, <=, > or >=; `wanted` a value, a list of values or a number."""

    key: str
    sign: str
    wanted: Any

    def holds(self, run: Run) -> bool:
        if self.sign in ORDERS:
            found = _number(run, self.key)
            return found is not None and ORDERS[self.sign](found, self.wanted)
        if self.key == "state":  # stopped (killed) is stopped, too
            same = any(_same(state, self.wanted) for state in (run.state, run.state.split()[0]))
        else:
            same = _same(run.key(self.key), self.wanted)
            same |= self.key == "data" and _same(run.choices.get("data"), self.wanted)
        return same == (self.sign == "=")


ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def _number(run: Run, key: str) -> float | None:
    """The number that a run has by this name: in its config, among its numbers, or the images it has seen."""
    found = run.key(key)
    if found is None:
        found = run.status.get("images_seen") if key == "images_seen" else run.value(key)
    found = _scalar(found)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def is_filter(spec: str) -> bool:
    """Whether RUN is a filter, and no name."""
    return bool(re.search("[=<>]", spec))


def conditions(spec: str) -> list[Condition]:
    """What a filter says: `model=vae,budget.images>=10000`. Raises PushforwardError where it cannot be read."""
    found: list[Condition] = []
    for part in filter(None, map(str.strip, spec.split(","))):
        key, sign, value = re.fullmatch(r"(.*?)(?:\s*(!=|<=|>=|=|<|>)\s*(.*))?", part, re.DOTALL).groups()  # type: ignore[union-attr]
        if not sign or not key:
            raise PushforwardError(f"Cannot read the filter '{spec}': write KEY=VALUE,KEY=VALUE, or KEY>=NUMBER.")
        if sign in ORDERS:
            number = _scalar(value)
            if not isinstance(number, int | float) or isinstance(number, bool):
                raise PushforwardError(
                    f"Cannot read the filter '{spec}': {value or 'nothing'} after {sign} is no number."
                )
            found.append(Condition(key, sign, float(number)))
        else:
            found.append(Condition(key, sign, value))
    return found


def by_weights(runs: Iterable[Run]) -> list[Run]:
    """The runs, each once for every set of weights that it was measured with, and then read as measured with that one.

    One without numbers stands for each set that any of the others has.
    """
    known = [(run, [run.weights] if run.weights else sets(run.record)) for run in runs]
    every = [name for name in SETS if any(name in own for _, own in known)]
    return [_read_as(run, name) if name else run for run, own in known for name in own or every or [""]]


def _read_as(run: Run, name: str) -> Run:
    if run.weights == name:
        return run
    read = copy.copy(run)  # with what is read already
    read.weights = name
    read.__dict__.pop("metrics", None)
    return read


def matching(known: Iterable[Run], wanted: Sequence[Condition]) -> list[Run]:
    """The runs of which all conditions hold; the cheap ones, which tell of most runs that they are others, are asked first.

    Where one is on `weights`, a run is as many as sets of weights that it was measured with.
    """
    if any(one.key == "weights" for one in wanted):
        known = by_weights(matching(known, [one for one in wanted if one.key != "weights"]))
    equal = [one for one in wanted if one.sign == "=" and one.key != "state"]
    ordered = sorted(wanted, key=lambda one: one.key != "state")
    return [
        run
        for run in known
        if not any(_differs(run, one.key, one.wanted) for one in equal) and all(one.holds(run) for one in ordered)
    ]


def _differs(run: Run, key: str, wanted: Any) -> bool:
    """Whether the first lines of a config already say that the key has another value: a thousand are read in no time."""
    if "config" in run.__dict__ or "." in key:
        return False
    try:
        text = (read_plain(run.path / "config.yaml") or b"").decode(errors="replace")
    except Unreadable:
        return False
    if key == "data" and (
        "\ncontent:\n" in text or "\nencoder:\n" in text
    ):  # a person's own have a name, and so have codes
        return False
    line = re.search(rf"^{re.escape(key)}:(.*)$", text, re.MULTILINE)
    if line and not line.group(1).strip():  # a node: its group's option is meant
        line = re.search(rf"\Achoices:\n(?:  .*\n)*?  {re.escape(key)}: (.*)\n", text)
    found = line.group(1).strip() if line else ""
    return bool(re.fullmatch(r"[\w.+-]+", found)) and found != "null" and not _same(found, wanted)


def runs(root: Path | str | None = None, **filters: Any) -> list[Run]:
    """Run whose config has these values: `runs(model="vae", seed=[1, 2], weighting__beta=4)`; `__` is a dot."""
    wanted = [Condition(key.replace("__", "."), "=", value) for key, value in filters.items()]
    return matching(every_run(None if root is None else Path(root)), wanted)


def find(spec: str, root: Path | str | None = None) -> list[Run]:
    """Run meant by RUN: a folder, hf://user/name, an id or its beginning, `latest`, or a filter: `model=vae,bpd<2.5`."""
    if spec.startswith(hub.PREFIX):
        return [Run(hub.snapshot(spec))]
    if os.path.lexists(Path(spec) / "config.yaml"):
        return [Run(spec)]
    where = runs_dir() if root is None else Path(root)
    known = every_run(where)
    if not known:
        raise PushforwardError(f"No runs in {where}: train one, or set PUSHFORWARD_OUTPUTS to where they are.")
    return among(known, spec, where)


def among(known: Sequence[Run], spec: str, where: Path | str) -> list[Run]:
    """Those of the runs that RUN means; where: the place that the message names, where there is none."""
    if spec == "latest":
        return [max(known, key=lambda run: (str(run.status.get("updated", "")), run.id))]
    if is_filter(spec):
        found = matching(known, conditions(spec))
    else:
        found = [run for run in known if run.id == spec] or [r for r in known if r.id.startswith(spec)]
    if not found:
        ids = [run.id for run in known]
        near = difflib.get_close_matches(spec, ids, n=3, cutoff=0.3) or ids[:3]
        raise PushforwardError(f"No run matches '{spec}' in {where}. Nearest: {', '.join(near)}.")
    return found
