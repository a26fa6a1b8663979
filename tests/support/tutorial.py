"""Running a page of the documentation, block by block, as a reader would who types what stands there.

Blocks `python` and `yaml` whose first line is `# PATH` are written to that file, one after the other; other blocks
`python` are cells of a notebook. Each line of `bash` is a command, `pushforward …` or `python FILE`. `text` is what the block
before it printed: its lines stand there in this order, where … is anything. `console` is not run.
"""

import contextlib
import io
import os
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pushforward import cli

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w./-]+\.(?:py|yaml))\n")


class Block(NamedTuple):
    kind: str
    text: str


class Printed(NamedTuple):
    """What a command, or a cell, printed."""

    source: str
    text: str


def blocks(page: str) -> list[Block]:
    return [Block(*found) for found in BLOCKS.findall((DOCS / page).read_text(encoding="utf-8"))]


@contextlib.contextmanager
def reading(page: str, folder: Path) -> Iterator[list[Printed]]:
    """What each command of a page printed. Its files are in the working directory, `folder`, and its runs in outputs/ there."""
    before, modules, path = Path.cwd(), set(sys.modules), list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUSHFORWARD_OUTPUTS", str(folder / "outputs"))
        os.chdir(folder)
        try:
            yield list(run(blocks(page)))
        finally:
            os.chdir(before)
            sys.path[:] = path
            for name in [name for name in set(sys.modules) - modules if (folder / f"{name}.py").is_file()]:
                del sys.modules[name]


def run(page: list[Block]) -> Iterator[Printed]:
    """Take a page's blocks one after the other. Raises AssertionError where a command fails, or printed something else."""
    cells: dict[str, Any] = {"__name__": "__main__"}
    printed: list[Printed] = []
    for kind, text in page:
        if kind == "text":
            wrong = missing(text, "\n".join(one.text for one in printed))
            assert not wrong, f"{wrong!r} is not in what {printed[-1].source!r} printed:\n{printed[-1].text}"
        elif kind == "bash":
            printed = [Printed(command, command_output(command)) for command in commands(text)]
            yield from printed
        elif file := FILE.match(text):
            written = Path(file[1])
            written.parent.mkdir(parents=True, exist_ok=True)
            with written.open("a", encoding="utf-8") as out:
                out.write(text[file.end() :])
        elif kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, "<cell>", "exec"), cells)
            printed = [Printed(text, out.getvalue())]
            yield from printed
        else:
            assert kind == "console", f"what is a block of {kind}?"


def commands(text: str) -> list[str]:
    return [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]


def command_output(command: str) -> str:
    """Run a command in this process. Return what it printed."""
    name, *args = shlex.split(command, comments=True)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        if name == "python":
            runpy.run_path(args[0], run_name="__main__")
            return out.getvalue()
        assert name == "pushforward"
        # jobs too are of this process
        args += ["hydra/launcher=basic"] * ("-m" in args or args[0] == "reproduce")
        for path in Path().glob("*.py"):  # each command is a process: it reads the module as it is by then
            sys.modules.pop(path.stem, None)
        code = cli.run(args)
    assert code == 0, (command, out.getvalue())
    return out.getvalue()


def missing(wanted: str, text: str) -> str:
    """The first line that does not stand in a text after those before it; empty where all do. Spaces are as good as one."""
    position, text = 0, spaced(text)
    for line in filter(None, map(spaced, wanted.splitlines())):
        found = re.compile(".*?".join(re.escape(part.strip()) for part in line.split("…"))).search(text, position)
        if found is None:
            return line
        position = found.end()
    return ""


def spaced(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.splitlines())
