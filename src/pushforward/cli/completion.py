"""`pushforward completion SHELL`: Tab completes commands, overrides and run names. Imports no torch."""

import contextlib
import io
import itertools
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pushforward.cli.parser import Parser
from pushforward.errors import PushforwardError

SCRIPTS = {
    "bash": """_pushforward() {
  local line="${COMP_LINE:0:COMP_POINT}" word IFS=$'\\n'
  word="${line##* }"
  COMPREPLY=($(pushforward completion words "$line" 2>/dev/null))
  # bash ends a word at = and completes what follows it
  [[ $word == *=* ]] && COMPREPLY=("${COMPREPLY[@]#"${word%%=*}="}")
}
complete -o nospace -F _pushforward pushforward""",
    "zsh": """#compdef pushforward
_pushforward() {
  local -a found
  found=("${(@f)$(pushforward completion words "${words[1,CURRENT]}" 2>/dev/null)}")
  compadd -Q -S '' -- $found
}
compdef _pushforward pushforward""",
    "fish": """complete -c pushforward -f -a '(pushforward completion words (commandline -cp) 2>/dev/null)'""",
}
HOW = {
    "bash": 'eval "$(pushforward completion bash)"    in ~/.bashrc',
    "zsh": 'eval "$(pushforward completion zsh)"     in ~/.zshrc, after compinit',
    "fish": "pushforward completion fish | source     in ~/.config/fish/config.fish",
}
TRAIN = ("-m", "--plan", "--help", "--cfg", "--config-dir", "--hydra-help")
RUNS = ("evaluate", "why", "status", "sync", "sample", "export", "report")
"""Commands whose words name runs."""


def completion(args: list[str]) -> int:
    """pushforward completion bash|zsh|fish: prints a script by which Tab completes commands, overrides and run names."""
    parser = Parser("pushforward completion", description=completion.__doc__, epilog="   ".join(HOW.values()))
    parser.add_argument("shell", choices=[*SCRIPTS, "words"], metavar="bash|zsh|fish")
    parser.add_argument("line", nargs="?", default="", help="what has been typed; words: prints what may follow")
    asked = parser.parse_args(args)
    if asked.shell == "words":
        print("\n".join(completed(asked.line)))
    else:
        print(SCRIPTS[asked.shell])
    return 0


def completed(line: str) -> list[str]:
    """Return what may stand in the place of the line's last word."""
    words = typed(line)
    partial = words[-1]
    return sorted({word for word in candidates(words[1:-1], partial) if word.startswith(partial)})


def typed(line: str) -> list[str]:
    """Return the words of an unfinished line; the last one may be empty, or an open quote."""
    for ending in ("", "'", '"'):
        with contextlib.suppress(ValueError):
            words = shlex.split(line + ending)
            return [*words, ""] if line[-1:].isspace() or len(words) < 2 else words
    return ["pushforward", ""]


def candidates(before: list[str], partial: str) -> Iterable[str]:
    from pushforward.cli.commands import COMMANDS
    from pushforward.cli.commands_about import listed
    from pushforward.config import options

    if not before:
        return [*COMMANDS, "completion", "--help", "--version"]
    command, *rest = before
    if command == "train":
        return TRAIN if partial.startswith("-") else overrides(before, partial)
    if partial.startswith("-"):
        return flags(command)
    if command == "list":
        return listed()
    if command == "completion":
        return SCRIPTS
    if command == "figure" and not rest:
        from pushforward.report.paper import KINDS

        return KINDS
    if command == "records" and not rest:
        return ["pack"]
    if command == "show" and not rest:
        return ["model", "run"]
    if command == "show" and rest == ["model"]:
        return options("model")
    if command == "show" and rest[0] == "model":
        return overrides(before, partial)
    if command == "reproduce":
        return tables(before, rest)
    if command == "cite":
        return [*tables(before, []), *options("model"), *runs()]
    if command in RUNS or rest[:1] == ["run"] or rest[-1:] == ["--runs"]:
        return [*runs(), *(["weights=", *overrides(before, partial)] if command == "evaluate" else ())]
    return []


def flags(command: str) -> list[str]:
    """Return the options that a command's own help names."""
    from pushforward.cli.commands import COMMANDS

    if command not in COMMANDS:
        return ["--help"]
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        COMMANDS[command](["--help"])
    return re.findall(r"(?<![\w-])--[\w-]+", shown.getvalue())


def tables(before: list[str], rest: list[str]) -> list[str]:
    """Names of tables; after one of them its presets."""
    from pushforward.paper_tables.table_file import files, load

    names = files(next(iter(own(before)), None))
    if named := next((word for word in rest if word in names), None):
        return [f"preset={preset}" for preset in load(named, next(iter(own(before)), None)).budgets]
    return list(names)


def runs() -> list[str]:
    from pushforward.runs import every_run

    return ["latest", *(run.id for run in every_run())]


def overrides(before: list[str], partial: str) -> Iterable[str]:
    """`model=vae` for groups, after a comma too; keys of what the words before compose to, with values where they are few."""
    key, equals, value = partial.partition("=")
    if not equals:
        return [f"{name}=" for name in (*groups(before), *keys(before))]
    head = value.rpartition(",")
    known = choices(before, key.lstrip("+"))
    return [f"{key}={head[0]}{head[1]}{option}" for option in known]


def groups(before: list[str]) -> list[str]:
    from pushforward.config import TABLES, conf_dir

    found = [path.name for folder in (conf_dir(), *own(before)) for path in folder.iterdir() if path.is_dir()]
    return [*(name for name in dict.fromkeys(found) if name != TABLES), "hydra/launcher"]


def own(before: list[str]) -> list[Path]:
    """Return the folder after --config-dir."""
    places = [Path(b) for a, b in itertools.pairwise(before) if a == "--config-dir"]
    return [place for place in places if place.is_dir()]


def choices(before: list[str], key: str) -> list[str]:
    from pushforward.cli.commands_about import launchers, summaries
    from pushforward.runs.weights import SETS

    if key == "hydra/launcher":
        return list(launchers())
    found = list(summaries(key.partition("@")[0], next(iter(own(before)), None)))
    return found or {"retry": ["stale", "failed"], "precision": ["fp32", "bf16", "fp64"], "weights": [*SETS]}.get(
        key, []
    )


def keys(before: list[str]) -> list[str]:
    """Dotted keys of the config that the overrides typed so far compose to."""
    from pushforward.composition import Loader
    from pushforward.overrides import read
    from pushforward.runs import flatten

    composed: dict[str, Any] = {}
    with contextlib.suppress(PushforwardError):
        words = [word for word in before[1:] if "=" in word]
        composed = Loader(next(iter(own(before)), None)).without_errors(read(words, several=True))
    names = flatten(composed)
    return [name for name in names if "_target_" not in name and not re.search(r"\.\d+(\.|$)", name)]
