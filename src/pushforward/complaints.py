"""What Hydra and OmegaConf refuse, said in one line that names the nearest valid choices. Imports no torch."""

import difflib
import re
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from pushforward.config import Config, options

REFUSALS: tuple[type[Exception], ...] = (HydraException, OmegaConfBaseException)


def near(word: str, known: list[str]) -> str:
    """`nearest: a, b`, or all there are where nothing is near."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(known)}"


def explain(error: BaseException) -> str:
    """One line for a person: what, where, remedy."""
    text = str(error)
    cause: BaseException | None = error.__cause__
    while cause is not None:
        text += "\n" + str(cause)
        cause = cause.__cause__
    return (
        missing_option(text) or missing_group(text) or missing_key(text) or wrong_type(error, text) or wrong_override(text)
        or " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    )  # fmt: skip


def missing_option(text: str) -> str | None:
    found = re.search(r"Could not find '([\w@.]+)/([^']+)'", text)
    if not found:
        return None
    group, option = found.groups()
    return f"{group}={option}: there is no such option; {near(option, options(group.split('@')[0]))}"


def missing_group(text: str) -> str | None:
    found = re.search(r"Could not override '([^']+)'", text) or re.search(r"Could not append '?([\w./@=+~-]+)", text)
    if not found:
        return None
    key = found.group(1).split("=")[0]
    return key_line(key, text)


def missing_key(text: str) -> str | None:
    found = re.search(r"Key '([^']+)' (?:is )?not in '?(\w+)", text) or re.search(r"Key '([^']+)' is not in struct", text)
    if not found:
        return None
    where = re.search(r"full_key: (\S+)", text)
    return key_line(where.group(1) if where else found.group(1), text)


def key_line(key: str, text: str) -> str:
    head, _, last = key.rpartition(".")
    known = siblings(head)
    hint = near(last, known) if known else "see the whole with --cfg job"
    return f"{key}: there is no such key; {hint}" + (f" (in {head})" if head and known else "")


def siblings(head: str) -> list[str]:
    """The keys beside a mistyped one, from what was composed without the mistyped override."""
    from omegaconf import OmegaConf

    node: Any = OmegaConf.create(COMPOSED) if COMPOSED else OmegaConf.structured(Config)
    for part in head.split(".") if head else []:
        try:
            node = node[part]
        except Exception:
            return []
    return [str(key) for key in node] if hasattr(node, "keys") else []


COMPOSED: dict[str, Any] = {}
"""The config of the command line without its mistyped override; the command line fills it before it asks."""


def wrong_type(error: BaseException, text: str) -> str | None:
    found = re.search(r"Value '(.*?)' of type '(\w+)' could not be converted to (\w+)", text)
    if not found:
        return None
    value, _, wanted = found.groups()
    where = re.search(r"full_key: (\S+)", text)
    words = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
    return f"{where.group(1) if where else 'a value'}={value}: it must be {words.get(wanted, wanted)}"


def wrong_override(text: str) -> str | None:
    if "mismatched input" in text or "no viable alternative" in text or "token recognition" in text:
        found = re.search(r"parsing override '(.*?)'", text)
        quoted = found.group(1) if found else "an override"
        return f"{quoted}: Hydra cannot read this; write key=value, and quote braces, ~ and spaces for the shell"
    return None
