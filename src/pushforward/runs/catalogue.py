"""Finding runs: all there are, by folder, by the beginning of an id, by what their config says. Imports no torch."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pushforward.atomic_files import read_plain
from pushforward.errors import PushforwardError, Unreadable
from pushforward.runs.directory import Run, runs_dir
from pushforward.runs.schema import parse_yaml


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


def _matches(run: Run, filters: Mapping[str, Any]) -> bool:
    states = [run.state, run.state.split()[0]] if "state" in filters else []  # stopped (killed) is stopped, too
    if not all(_same(states, wanted) for key, wanted in filters.items() if key == "state"):
        return False
    if any(_differs(run, key, wanted) for key, wanted in filters.items() if key != "state"):
        return False
    wanted_data = filters.get("data")
    return all(
        _same(run.key(key), wanted) or (key == "data" and _same(run.choices.get("data"), wanted_data))
        for key, wanted in filters.items()
        if key != "state"
    )


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
    wanted = {key.replace("__", "."): value for key, value in filters.items()}
    return [run for run in every_run(None if root is None else Path(root)) if _matches(run, wanted)]


def find(spec: str, root: Path | str | None = None) -> list[Run]:
    """Run meant by RUN: a folder, an id or its beginning, `latest`, or a filter: `model=vae,weighting.beta=4`."""
    if os.path.lexists(Path(spec) / "config.yaml"):
        return [Run(spec)]
    where = runs_dir() if root is None else Path(root)
    known = every_run(where)
    if not known:
        raise PushforwardError(f"No runs in {where}: train one, or set PUSHFORWARD_OUTPUTS to where they are.")
    if spec == "latest":
        return [max(known, key=lambda run: (str(run.status.get("updated", "")), run.id))]
    if "=" in spec:
        pairs = [part.partition("=") for part in spec.split(",") if part.strip()]
        if any(not equals for _, equals, _ in pairs):
            raise PushforwardError(f"Cannot read the filter '{spec}': write KEY=VALUE,KEY=VALUE.")
        found = [run for run in known if _matches(run, {k.strip(): v.strip() for k, _, v in pairs})]
    else:
        found = [run for run in known if run.id == spec] or [r for r in known if r.id.startswith(spec)]
    if not found:
        ids = [run.id for run in known]
        near = difflib.get_close_matches(spec, ids, n=3, cutoff=0.3) or ids[:3]
        raise PushforwardError(f"No run matches '{spec}' in {where}. Nearest: {', '.join(near)}.")
    return found
