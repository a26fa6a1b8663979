"""Read the words of a command line, and values from Python, as overrides that Hydra's grammar takes. Imports no torch."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from pushforward import config
from pushforward.errors import PushforwardError

PATHS = re.compile(r"(^|\.)(path|root|init_from|\w+_path|\w+_dir)$")
"""Keys that take a path, by their last name: `data.source.path`, `features.weights_path`."""
NEEDED = ("model", "data", "network", "weighting", "trainer", "optimizer")
"""Groups of which a run has an option, of `optimizer` one for each player."""


def quoted(text: str) -> str:
    """Return text as one value of Hydra's grammar, whatever signs are in it."""
    return str(QuotedString(text=text, quote=Quote.single).with_quotes())


def override(key: str, value: Any) -> str:
    """`key=value` for a value from Python: None, numbers, text, paths, lists and mappings of them."""
    return f"{key}={written(value)}"


def written(value: Any) -> str:
    """Return a value from Python as Hydra's grammar has it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str() | os.PathLike():
            return quoted(os.fspath(value))
        case Mapping():
            wrong = [key for key in value if not re.fullmatch(r"[\w.@-]+", str(key))]
            if wrong:
                raise PushforwardError(f"{wrong[0]!r}: a key of a config has letters, digits, dots and hyphens")
            return "{" + ",".join(f"{key}:{written(item)}" for key, item in value.items()) + "}"
        case Sequence() | set() | frozenset():
            return "[" + ",".join(map(written, value)) + "]"
    number = getattr(value, "item", None)  # a NumPy or torch scalar
    if callable(number):
        return written(number())
    raise PushforwardError(f"{value!r} is a {type(value).__name__}: a config has numbers, text, lists and mappings")


def read(arguments: Iterable[str], several: bool = False) -> list[str]:
    """Return what a person wrote, as overrides that Hydra reads as it was meant; several: with -m, where commas part values.

    A path is taken as it stands, `seed=0..4` is a range, `logger=null` is none, and text that Hydra's grammar has no place
    for is text. Raises PushforwardError, in one line, for the rest.
    """
    return [made for argument in arguments for made in one(argument, several)]


def one(argument: str, several: bool) -> list[str]:
    """Return the override of one word; none where it says nothing."""
    key, equals, value = argument.partition("=")
    if not key:
        return refuse(argument)
    if not equals or key.startswith("~"):
        return [argument] if parsed(argument) else refuse(argument)
    if PATHS.search(key) and not key.startswith("hydra."):
        return [f"{key}={path(value, several)}"]
    span = re.fullmatch(r"(-?\d+)\.\.(-?\d+)", value)
    if span:
        first, last = int(span[1]), int(span[2])
        if last < first:
            raise PushforwardError(f"{argument}: a range a..b runs upwards; write {key}={last}..{first}")
        value = f"range({first},{last + 1})" if last > first else f"{first}"
    found = parsed(f"{key}={value}")
    if found is None and value[:1] not in tuple("[{'\""):
        value = ",".join(map(quoted, value.split(",") if several else [value]))
        found = parsed(f"{key}={value}")
    if found is None:
        return refuse(argument)
    if found.is_sweep_override() and not several:
        raise PushforwardError(
            f"{argument}: several values of a key take -m: pushforward train -m …; a list is written [a,b], "
            f"and text with commas in quotes"
        )
    group = key.lstrip("+")
    if group in config.groups() or "@" in group:
        return choice(key, value, argument)
    return [f"{key}={value}"]


def parsed(text: str) -> Override | None:
    """Return an override as Hydra reads it; None where it cannot."""
    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, ValueError, RecursionError):
        return None


def refuse(argument: str) -> list[str]:
    raise PushforwardError(
        f"{argument[:200]}: this cannot be read; write key=value, a list as [a,b], names as {{a: 1}}, text with other "
        f"signs in quotes; and all of it in quotes for the shell"
    )


def path(value: str, several: bool) -> str:
    """The value of a key that takes a path. What is quoted for Hydra already, `null`, `???` and `${…}` stay as they are."""
    if there(value):
        return quoted(str(Path(value).expanduser()))
    if (
        value in ("", "null", "???")
        or "${" in value
        or (len(value) > 1 and value[0] == value[-1] and value[0] in "'\"")
    ):
        return value
    if several and re.fullmatch(r"(choice|glob|shuffle|sort)\(.*\)", value, re.DOTALL):
        return value
    parts = value.split(",") if several else [value]
    return ",".join(quoted(str(Path(part).expanduser())) if part else quoted("") for part in parts)


def there(value: str) -> bool:
    """Whether a path leads to something, as it stands."""
    try:
        return bool(value) and Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL byte, a person who has no home
        return False


def choice(key: str, value: str, argument: str) -> list[str]:
    """Overrides that choose options of a group: null is its option `none`, or nothing where nothing is chosen by default."""
    group, parts = key.lstrip("+").split("@")[0], value.split(",")
    if value[:1] in ("[", "{", "'", '"') or "(" in value:
        return [argument]
    if "null" in parts:
        none = None if "@" in key else config.none_of(group)
        if none == "null" and len(parts) == 1:
            return []
        if none in (None, "null"):
            raise PushforwardError(f"{argument}: {absent(key, group)}")
        parts = [none if part == "null" else part for part in parts]
    return [f"{key}={','.join(part if re.fullmatch('[A-Za-z_][^ ]*', part) else quoted(part) for part in parts)}"]


def absent(key: str, group: str) -> str:
    """Why a group cannot be null, and what to write."""
    known = ", ".join(config.options(group))
    if "@" in key and group not in NEEDED:
        return f"to take it out, write '~{key.lstrip('+')}'"
    if group in NEEDED:
        return f"a run has one; choose from {known}"
    return f"this is chosen with the model, or left out; choose from {known}"
