"""The pages of the command line: each command's own help, and the options of each config group."""

import contextlib
import io
import os
import re
import textwrap
from unittest import mock

from pushforward.cli import COMMANDS, USAGE
from pushforward.cli.commands_about import launchers, summaries
from pushforward.config import conf_dir
from pushforward.untrusted_text import md
from site_pages.text import code, page, table

WIDTH = 84
"""Columns of the help, as many as a page shows."""
EXAMPLE = re.compile(r"^  (pushforward (\w+).*?)\s{2,}(.*)$", re.MULTILINE)
"""A line of the usage: an example of a command, and what it does."""


def pages() -> dict[str, str]:
    """{path: text} of both pages."""
    return {"commands.md": commands(), "configuration.md": configuration()}


def commands() -> str:
    examples = [[f"[`{shown}`](#{name})", md(text)] for shown, name, text in EXAMPLE.findall(USAGE)]
    return page(
        "# Commands",
        USAGE.rpartition("\n\n")[2].replace("RUN is", "`RUN` is", 1).replace("--help", "`--help`"),
        table(["", ""], examples),
        *(f"## {name}\n\n{code(help_of(name), 'text')}" for name in COMMANDS),
    )


def help_of(name: str) -> str:
    """Return a command's --help; lines that are longer than the page are folded."""
    shown = io.StringIO()
    terminal = mock.patch.dict(os.environ, {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"})
    with terminal, contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        COMMANDS[name](["--help"])
    return "\n".join(folded(line) for line in shown.getvalue().splitlines())


def folded(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent=" " * 4, drop_whitespace=True) if len(line) > WIDTH else line


def configuration() -> str:
    root = conf_dir()
    groups = sorted(path.name for path in root.iterdir() if path.is_dir())
    parts = []
    for group in groups:
        rows = [[f"`{name}`", md(text)] for name, text in summaries(group).items()]
        parts.append(f"## {group}\n\n" + table([f"`{group}=`", ""], rows))
    rows = [[f"`{name}`", md(text)] for name, text in launchers().items()]
    parts.append("## hydra/launcher\n\n" + table(["`hydra/launcher=`", ""], rows))
    return page(
        "# Configuration",
        "Every group of the config tree with its options, as `pushforward list GROUP` prints them. `GROUP=OPTION` "
        "chooses one on the command line; `pushforward train --cfg job …` prints what a command line composes. A folder "
        "of your own with the same groups stands beside ours by `--config-dir FOLDER`.",
        *parts,
        "## The root",
        code((root / "train.yaml").read_text(encoding="utf-8").partition("\nhydra:\n")[0], "yaml"),
    )
