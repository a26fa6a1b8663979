"""Hold a person's config file against what a config file may be, before Hydra reads it: one line names the file and line.

Imports no torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pushforward.errors import PushforwardError

LARGEST = 1_000_000
"""Bytes of a config file."""
DEEPEST = 40
"""Levels of a config file."""
MOST = 50_000
"""Values of a config file, aliases written out."""
LONGEST = 100
"""Digits of a number."""
STANDARD = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge")}
AS_KEYS = yaml.resolver.Resolver()
READ = {"bool": "true or false", "null": "nothing"}
"""YAML reads `off`, `no` and `y` as booleans, `~` as nothing: as keys they are mistakes."""


@dataclass
class Level:
    """A mapping or list that is being read: its keys with their lines, and how many values stand in it so far."""

    mapping: bool
    anchor: str | None
    size: int = 1
    keys: dict[str, int] = field(default_factory=dict)
    key_next: bool = True


def check_file(path: Path) -> None:
    """Raise PushforwardError where a config file cannot be read, or holds what no config has."""
    try:
        check_text(decoded(path))
    except yaml.reader.ReaderError as error:
        raise refusal(
            path, line_at(path, error.position), f"a sign that text does not have: {error.character!r}"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise refusal(path, mark.line + 1 if mark else 1, in_words(error)) from None
    except Wrong as error:
        raise refusal(path, error.line, str(error)) from None
    except OSError as error:
        raise PushforwardError(f"{path}: {(error.strerror or str(error)).lower()}") from None


class Wrong(Exception):
    """The errors in a config file, with their lines."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def refusal(path: Path, line: int, what: str) -> PushforwardError:
    return PushforwardError(f"{path}:{line}: {what}")


def line_at(path: Path, position: int) -> int:
    return decoded(path)[:position].count("\n") + 1


def decoded(path: Path) -> str:
    """Return the text of a file in UTF-8."""
    if not path.is_file():
        raise Wrong(1, "it is no file")
    if path.stat().st_size > LARGEST:
        raise Wrong(1, f"it has {path.stat().st_size:,} bytes, and a config at most {LARGEST:,}")
    content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Wrong(line, f"the byte {content[error.start]:#04x} is no UTF-8; save the file as UTF-8") from None


def in_words(error: yaml.MarkedYAMLError) -> str:
    """Return what YAML's own error says, in one line."""
    said = " ".join(f"{error.context or ''} {error.problem or ''}".split())
    if "'\\t'" in said:
        return "a tab: YAML is indented by spaces"
    return f"it is no YAML: {said}"


def check_text(text: str) -> None:
    """Raise Wrong, or yaml.YAMLError, at the first line that no config has. Takes time and memory as the text is long."""
    levels: list[Level] = []
    sizes: dict[str, int] = {}
    documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1:
                    raise Wrong(line, "a second document: a config is one")
            case yaml.NodeEvent():
                if not levels:
                    check_root(event, line)
                add(levels, event, line, sizes)
                if isinstance(event, yaml.CollectionStartEvent):
                    levels.append(Level(isinstance(event, yaml.MappingStartEvent), event.anchor))
                    if len(levels) > DEEPEST:
                        raise Wrong(line, f"more than {DEEPEST} levels")
            case yaml.CollectionEndEvent():
                level = levels.pop()
                if level.anchor:
                    sizes[level.anchor] = level.size
                if levels:
                    grow(levels[-1], level.size, line)


def check_root(event: yaml.NodeEvent, line: int) -> None:
    empty = isinstance(event, yaml.ScalarEvent) and event.value in ("", "null", "~")
    if not (empty or isinstance(event, yaml.MappingStartEvent)):
        kind = "a list" if isinstance(event, yaml.SequenceStartEvent) else "a single value"
        raise Wrong(line, f"it is {kind}, and a config has keys: write key: value")


def add(levels: list[Level], event: yaml.NodeEvent, line: int, sizes: dict[str, int]) -> None:
    """Take note of a value or key; of a collection only that it begins."""
    tag = getattr(event, "tag", None)
    if tag is not None and tag not in STANDARD and tag != "!":
        raise Wrong(line, f"the tag {tag.replace('tag:yaml.org,2002:', '!!')}: a config has none")
    if isinstance(event, yaml.ScalarEvent):
        digits = event.value.lstrip("+-").replace("_", "")
        if event.style is None and len(digits) > LONGEST and digits.isdigit():
            raise Wrong(line, f"a number of {len(digits):,} digits")
    if not levels:
        return
    level = levels[-1]
    if level.mapping and level.key_next and isinstance(event, yaml.ScalarEvent):
        if event.value in level.keys and event.value != "<<":
            raise Wrong(line, f"the key {event.value} stands in line {level.keys[event.value]} already")
        level.keys[event.value] = line
        if (
            event.style is None
            and event.implicit[0]
            and (read := AS_KEYS.resolve(yaml.ScalarNode, event.value, (True, False)))
        ):
            kind = read.rpartition(":")[2]
            if kind in ("bool", "null"):
                raise Wrong(
                    line, f"the key {event.value or 'without a name'} is read as {READ[kind]}; put it in quotes"
                )
    elif level.mapping and level.key_next and isinstance(event, yaml.CollectionStartEvent):
        raise Wrong(line, "a key is a name, and this is a list or a mapping; put braces of ${…} in quotes")
    level.key_next = not level.key_next
    if isinstance(event, yaml.AliasEvent):
        if any(other.anchor == event.anchor for other in levels):
            raise Wrong(line, f"*{event.anchor} stands within what it refers to")
        grow(level, sizes.get(event.anchor, 1), line)
    elif isinstance(event, yaml.ScalarEvent):
        grow(level, 1, line)
        if event.anchor:
            sizes[event.anchor] = 1


def grow(level: Level, size: int, line: int) -> None:
    level.size += size
    if level.size > MOST:
        raise Wrong(line, f"more than {MOST:,} values, aliases written out")


def defaults_of(path: Path) -> Iterator[tuple[str | None, str]]:
    """(group, option) of each entry of a file's defaults list, as they are written; None: of the file's own group."""
    node: Any = yaml.safe_load(decoded(path))
    entries = node.get("defaults") if isinstance(node, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, str):
            yield None, entry
        elif isinstance(entry, dict):
            for key, value in entry.items():
                group = str(key).removeprefix("optional ").removeprefix("override ").split("@")[0].strip()
                yield from ((group, str(option)) for option in (value if isinstance(value, list) else [value]))


def circle(folder: Path, name: str, above: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return names of configs in `folder` whose defaults lists lead from `name` back to one of them; empty where none do."""
    if name in above:
        return (*above[above.index(name) :], name)
    file = folder / f"{name}.yaml"
    try:
        check_file(file)
    except PushforwardError:  # not there, or no part of this
        return ()
    group = name.rpartition("/")[0]
    for key, option in defaults_of(file):
        parts = [part for part in (group if key is None or not key.startswith("/") else "", key, option) if part]
        other = "/".join(part.strip("/") for part in parts) if not option.startswith("/") else option.strip("/")
        if option != "_self_" and (found := circle(folder, other, (*above, name))):
            return found
    return ()
