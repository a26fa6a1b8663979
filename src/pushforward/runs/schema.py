"""The schema of the files of runs, sweeps and studies: their types, and reading them whole, within bounds. Imports no torch.

Whatever lists or shows runs reads them through here; what does not fit is `Unreadable`: the file, the place and the reason.
"""

import functools
import json
import pickle
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from pushforward.atomic_files import read_plain
from pushforward.errors import Unreadable
from pushforward.untrusted_text import everywhere

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST, MOST_ALIASES = 40, 1000
MOST_NODES = 500_000
"""Levels, YAML aliases, and values once aliases are written out, of a file."""
MOST_BYTES = {".yaml": 2**20, ".json": 2**26}
LARGEST = 1e60
"""Numbers above this are damage: a float32 ends at 3e38, and squares of squares must not overflow."""


Spec = Any
"""A type's name in `_SCALARS`, with `?` where it may be null; {key: spec}; [spec] for a list; (spec,) for any names."""

CARD: Spec = {
    "better": "text?", "kind": "text?", "split": "text?", "weights": "text?", "sampler": "text?", "command": "text?",
    "chosen_by": "text?", "floor": "number?", "standard_error": "number?", "n": "number?", "references": ("number?",),
}  # fmt: skip
COLUMN: Spec = {"order": ["number"], "main": "flag?", "headline": "whole?"}
"""A number's place in tables, as its measure declares it."""
METRICS: Spec = ({"value": "number?", "unit": "text?", "card": CARD, "na": "text?", "column": COLUMN},)
RECORD: Spec = {
    "metrics": METRICS, "weights": ({"metrics": METRICS, "na": "text?"},),
    "improving": "flag?",
    "objective": ("text",),
    "cost": {
        "parameters": "number?", "images_per_second": "number?", "train_seconds": "number?", "test_images": "whole",
        "data_wait": "number?", "evaluate_seconds": "number?", "images_seen": "number?", "steps": ("number",),
    },
    "execution": ("any",), "measured": {"metrics": ("any",), "features": ("any",)}, "failed": ("text",),
    "init_from": {"file": "text", "sha256": "text", "run": "text", "identity": "text?"},
    "stopped_early": {"by": "text", "images_seen": "whole", "of_images": "whole"},
}  # fmt: skip
STATUS: Spec = {
    "run_id": "text", "model": "text?", "data": "text?",
    "state": "state", "started": "time", "updated": "time", "error": "text?", "pid": "whole",
    "host": "text", "threads": "whole", "images_seen": "whole", "budget_images": "whole", "settled_images": "number?",
    "identity": "text", "fingerprint": "text?", "own": ({"path": "text", "sha256": "text"},),
    "commit": "text?", "command": "text?", "units": ("text",),
    "latest": ("number",), "phase": "text?", "stage": "text?",
    "train_seconds": "number?", "data_wait": "number?", "test_images": "whole", "measuring_since": "text?",
}  # fmt: skip
CONFIG: Spec = {
    "choices": ("text?",), "results": "whole", "seed": "whole", "batch_size": "whole", "precision": "text",
    "budget": {"epochs": "number?", "images": "number?"}, "selection": {"metric": "text", "every": "number"},
    "data": ("any",), "network": ("any",), "model": ("any",), "optimizer": ("any",), "trainer": ("any",),
    "metrics": ("any",), "features": ("any",), "logger": ("any",), "tags": ["text"], "retry": "text?",
    "row_order": "number?",
}  # fmt: skip
SPEC: Spec = {
    "shape": ["whole"], "levels": "whole?", "n_train": "whole", "n_classes": "whole?", "factors": ["whole"], "low": "text",
    "high": "text", "dequantized": "flag", "shift": ["number"], "scale": ["number"],
}  # fmt: skip
SWEEP: Spec = {
    "name": "text", "group": "text", "started": "time?", "ended": "time?", "command": "text", "host": "text",
    "parallel": "whole?", "stopped": "flag?", "jobs": [{"run": "text", "overrides": "text", "model": "text?", "data": "text?"}],
}  # fmt: skip
STUDY: Spec = {
    "name": "text", "trials": "whole", "complete": "whole", "pruned": "whole", "failed": "whole", "running": "whole",
    "metric": ["text"], "best": {"trial": "whole", "value": "number?", "run": "text?"}, "updated": "time?",
}  # fmt: skip
STATES = ("new", "queued", "running", "measuring", "finished", "failed", "stopped", "diverged")


def _number(value: Any) -> bool:
    return type(value) in (int, float) and -LARGEST <= value <= LARGEST


def _time(value: Any) -> bool:
    return isinstance(value, str) and moment(value) is not None


def _or_null(fit: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fit(value)


_SCALARS: dict[str, Callable[[Any], bool]] = {
    "any": lambda value: True,
    "number": _number,
    "whole": lambda value: _number(value) and abs(value) < 2**63 and float(value).is_integer(),
    "text": lambda value: isinstance(value, str),
    "flag": lambda value: isinstance(value, bool),
    "time": _time,
    "state": lambda value: value in STATES if isinstance(value, str) else False,
}
_NAMES = frozenset({str})
"""The types that a key may have."""
_FITS = {**_SCALARS, **{f"{name}?": _or_null(fit) for name, fit in _SCALARS.items()}}
_WORDS = {
    "number": "a number", "whole": "a whole number", "text": "text", "flag": "true or false", "time": "a date with time",
    "state": f"one of {', '.join(STATES)}",
}  # fmt: skip


def moment(text: str) -> datetime | None:
    """Return a date and time as they were written; without a zone, UTC. None where the text is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def fits(value: Any, spec: Spec, inner: bool = False) -> bool:
    """Whether `misfit` has nothing to say; inner: of a part. Thousands of records are checked in no time."""
    if isinstance(spec, str):
        return _FITS[spec](value)
    if isinstance(spec, list):
        return isinstance(value, list) and all(fits(item, spec[0], True) for item in value)
    if not isinstance(value, dict):
        return inner and value is None
    if isinstance(spec, tuple):
        own = spec[0]
        if not _NAMES.issuperset(map(type, value)):
            return False
        if isinstance(own, str):
            return own == "any" or all(map(_FITS[own], value.values()))
        return all(fits(item, own, True) for item in value.values())
    if not _NAMES.issuperset(map(type, value)):
        return False
    for key in value.keys() & spec.keys():
        own = spec[key]
        if not (_FITS[own](value[key]) if own.__class__ is str else fits(value[key], own, True)):
            return False
    return True


def misfit(value: Any, spec: Spec, where: str = "") -> str | None:
    """The first place where a value does not fit, and how; None where all of it does. Keys that a spec lacks are free."""
    if isinstance(spec, str):
        if (spec.endswith("?") and value is None) or _SCALARS[spec.removesuffix("?")](value):
            return None
        return f"{where} is {_short(value)}, not {_WORDS[spec.removesuffix('?')]}"
    if isinstance(spec, list):
        if not isinstance(value, list):
            return f"{where} is {_short(value)}, not a list"
        found = (misfit(item, spec[0], f"{where}[{i}]") for i, item in enumerate(value))
        return next((wrong for wrong in found if wrong), None)
    if value is None and where:  # a part that is not there yet
        return None
    if not isinstance(value, Mapping):
        return f"{where or 'it'} is {_short(value)}, not names with values"
    for key, item in value.items():
        if not isinstance(key, str):
            return f"{where} has the key {_short(key)}, not text"
        inner = spec[0] if isinstance(spec, tuple) else spec.get(key, "any")
        wrong = misfit(item, inner, f"{where}.{key}" if where else key) if inner != "any" else None
        if wrong:
            return wrong
    return None


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return "names with values"
    if isinstance(value, list):
        return "a list"
    if type(value) is int and abs(value) >= 2**63:
        return "a number of too many digits"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def too_large(value: Any) -> str | None:
    """Why a value is no config and no record: too deep (or in itself), or too many values. None where it is neither."""
    level, depth, seen = [value] if isinstance(value, dict | list) else [], 0, 0
    while level:
        if depth > DEEPEST:
            return f"it is nested more than {DEEPEST} levels deep"
        seen += sum(map(len, level))
        if seen > MOST_NODES:
            return f"it has more than {MOST_NODES:,} values"
        level = [
            child
            for node in level
            for child in (node.values() if node.__class__ is dict else node)
            if child.__class__ is dict or child.__class__ is list  # a parser makes no others
        ]
        depth += 1
    return None


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def read(path: Path, spec: Spec) -> dict[str, Any]:
    """Return the content of a JSON or YAML file that fits `spec`; {} where there is none. Raises Unreadable."""
    content = read_plain(path, MOST_BYTES[path.suffix])
    if content is None:
        return {}
    if spec is CONFIG and (known := _of_parts(content)) is not None:
        return known
    try:
        found = parse_yaml(content) if path.suffix == ".yaml" else json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = "it is empty" if not content.strip() else str(error) or type(error).__name__
        raise Unreadable(f"{path.name} is damaged ({' '.join(reason.split())[:80]})") from None
    return fitting(found, spec, path.name, path.suffix == ".json" and _all_visible(content))


def fitting(found: Any, spec: Spec, name: str, shown: bool = False) -> dict[str, Any]:
    """Return what was read from `name`, its text `visible`. Raises Unreadable where it does not fit `spec`.

    shown: all of its text is known to be so, and nobody else has it.
    """
    wrong = too_large(found) or (None if fits(found, spec) else misfit(found, spec))
    if wrong:
        raise Unreadable(f"{name}: {wrong}")
    whole: dict[str, Any] = found if shown else everywhere(found)
    return whole


def _all_visible(content: bytes) -> bool:
    """Whether no text in JSON has a character that is not shown as it is, as it stands or escaped."""
    try:
        return b"\\" not in content and content.decode().replace("\n", "").isprintable()
    except UnicodeDecodeError:
        return False


def _of_parts(content: bytes) -> dict[str, Any] | None:
    """A config that fits, its text visible. Parts that stand in many alike are parsed and checked once, and copied.

    The lines of a block mapping that begin at the margin begin its keys, and what is between them is parsed alone. None
    where that may be otherwise, as with anchors, several documents or flow style, or a part is no mapping of one key or does
    not fit: such a config is read as a whole.
    """
    parts = _MARGIN.split(content)
    # anchors, aliases, documents, directives, flow style
    if any(sign in content for sign in (b"&", b"*", b"\t", b"\n---", b"\n...")) or any(p[:1] in _OTHER for p in parts):
        return None
    found: dict[str, Any] = {}
    for part in parts:
        known = _part(part)
        if known is None:
            return None
        found.update(pickle.loads(known))
    return found


_MARGIN = re.compile(rb"\n(?=[^\s#-])")
_OTHER = frozenset((b"", *(bytes([code]) for code in b"-.[]{}?!|>'\"%#")))
"""What begins something else than the name of a key."""


@functools.lru_cache(maxsize=4096)
def _part(text: bytes) -> bytes | None:
    """A part of a config, pickled: nothing else copies so fast. None where it is not sound by itself."""
    try:
        found = parse_yaml(text)
    except (ValueError, RecursionError, yaml.YAMLError):
        return None
    if not isinstance(found, dict) or len(found) != 1 or too_large(found) or not fits(found, CONFIG):
        return None
    return pickle.dumps(everywhere(found))


def parse_yaml(content: bytes | str) -> Any:
    """Return what YAML says. Raises yaml.YAMLError, also where it is too deep or has too many aliases: libyaml would crash."""
    depth = aliases = 0
    for event in yaml.parse(content, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > DEEPEST or aliases > MOST_ALIASES:
            raise yaml.YAMLError(
                f"more than {DEEPEST} levels" if depth > DEEPEST else f"more than {MOST_ALIASES} aliases"
            )
    return yaml.load(content, Loader=LOADER)
