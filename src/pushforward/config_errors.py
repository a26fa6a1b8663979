"""Errors of Hydra and OmegaConf in one line that names the nearest valid choices. Imports no torch."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from pushforward.config import conf_dir, groups, options
from pushforward.errors import near

REFUSALS: tuple[type[Exception], ...] = (HydraException, OmegaConfBaseException)


def explain(error: BaseException, composed: Mapping[str, Any] | None = None) -> str:
    """Return one line for a person: what, where, remedy. `composed` is the config without the overrides that were refused."""
    text = str(error)
    cause: BaseException | None = error.__cause__
    while cause is not None:
        text += "\n" + str(cause)
        cause = cause.__cause__
    known = composed or {}
    return (
        wrong_override(error)
        or missing_option(text)
        or missing_group(text, known)
        or missing_key(text, known)
        or missing_value(text)
        or wrong_reference(text)
        or wrong_type(text)
        or " ".join(line.strip() for line in text.splitlines() if line.strip())[:400]
    )


def wrong_override(error: BaseException) -> str | None:
    if not isinstance(error, OverrideParseException):
        return None
    return f"{error.override}: this cannot be read; write key=value, and quote braces, brackets, ~ and spaces for the shell"


def missing_option(text: str) -> str | None:
    found = re.search(r"Could not find '([^']+)/([^'/]+)'", text)
    if not found:
        return None
    group, option = found.groups()
    there = re.search(r"Available options in '[^']+':\n((?:\t.*\n?)+)", text)
    known = there.group(1).split() if there else options(group.split("@")[0])
    hint = near(option, known) if known else "there is none yet; name the folder of your own with --config-dir"
    return f"{group}={option}: there is no such option; {hint}"


def missing_group(text: str, composed: Mapping[str, Any]) -> str | None:
    found = re.search(r"Could not override '([^']+)'", text) or re.search(r"Could not append '?([\w./@=+~-]+)", text)
    if not found:
        found = re.search(r"Could not delete[^']*'([^'=]+)", text)
    if not found:
        return None
    key = found.group(1).split("=")[0]
    players = re.search(r"Did you mean to override (.+?)\?", text)
    if players and "@" in key:
        return f"{key}: there is no such group here; did you mean {players.group(1)}?"
    if players:
        return f"{key}: there is one for each player; say whose: {players.group(1)}=…"
    if (conf_dir() / key).is_dir():
        models = [model for model in options("model") if takes(conf_dir() / "model", model, key)]
        hint = f"the models that take one are {', '.join(models)}" if models else "no model takes one"
        return f"{key}: this model takes no {key}; {hint}"
    return key_line(key, composed)


def takes(folder: Path, model: str, group: str) -> bool:
    """Whether a recipe, or a recipe that it starts from, chooses an option of a group."""
    text = (folder / f"{model}.yaml").read_text(encoding="utf-8")
    parents = [p for p in re.findall(r"^  - (\w+)$", text, re.MULTILINE) if p != "_self_" and p != model]
    return bool(re.search(rf"^  - (override )?/{group}\b", text, re.MULTILINE)) or any(
        takes(folder, parent, group) for parent in parents if (folder / f"{parent}.yaml").is_file()
    )


def missing_key(text: str, composed: Mapping[str, Any]) -> str | None:
    found = re.search(r"Key '([^']+)' (?:is )?not in '?\w+", text)
    if not found:
        return None
    where = re.search(r"full_key: (\S+)", text)
    return key_line(where.group(1) if where else found.group(1), composed)


def key_line(key: str, composed: Mapping[str, Any]) -> str:
    if key in groups():
        return f"{key}: there is no such key; a file in {key}/ begins with the line '# @package _global_'"
    whole = [other for other in dotted(composed) if other.endswith(f".{key}")]
    if whole:
        return f"{key}: there is no such key; did you mean {' or '.join(whole[:3])}?"
    head, last = deepest(key, composed)
    known = siblings(head, composed)
    hint = near(last, known) if known else "see the whole with --cfg job"
    return f"{key}: there is no such key; {hint}" + (f" (in {head})" if head and known else "")


def dotted(node: Any, path: str = "") -> Iterator[str]:
    """Yield the keys of a config, in full."""
    for key, value in node.items() if isinstance(node, Mapping) else ():
        yield f"{path}{key}"
        yield from dotted(value, f"{path}{key}.")


def deepest(key: str, composed: Mapping[str, Any]) -> tuple[str, str]:
    """Return the part of a dotted key that exists, and the first that does not."""
    parts = key.split(".")
    for i, part in enumerate(parts):
        if part not in siblings(".".join(parts[:i]), composed):
            return ".".join(parts[:i]), part
    return ".".join(parts[:-1]), parts[-1]


def siblings(head: str, composed: Mapping[str, Any]) -> list[str]:
    """Return the keys below `head`."""
    node: Any = composed
    for part in head.split(".") if head else []:
        node = node.get(part) if isinstance(node, Mapping) else None
    return [str(key) for key in node] if isinstance(node, Mapping) else []


def missing_value(text: str) -> str | None:
    found = re.search(r"Missing mandatory value: (\S+)", text)
    if not found:
        return None
    where = re.search(r"full_key: (\S+)", text)
    key = where.group(1) if where else found.group(1)
    return f"{key}: it has no default; give it: {key}=…"


def wrong_reference(text: str) -> str | None:
    found = re.search(r"Interpolation key '([^']+)' not found", text)
    where = re.search(r"full_key: (\S+)", text)
    return (
        f"{where.group(1) if where else 'a value'}: ${{{found.group(1)}}} names no key of the config" if found else None
    )


def wrong_type(text: str) -> str | None:
    found = re.search(r"Value '(.*?)' of type '(\w+)' could not be converted to (\w+)", text)
    if not found:
        return None
    value, _, wanted = found.groups()
    where = re.search(r"full_key: (\S+)", text)
    words = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
    return f"{where.group(1) if where else 'a value'}={value}: it must be {words.get(wanted, wanted)}"
