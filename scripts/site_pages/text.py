"""Pieces of Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """A table of cells that are Markdown; align: l or r for each column."""
    ruled = ["--:" if side == "r" else ":--" for side in align.ljust(len(head), "l")]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ruled, *rows))


def code(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text.strip(chr(10))}\n```"


def folded(title: str, body: str, kind: str = "note") -> str:
    """A block that opens by a click."""
    inside = "\n".join(f"    {line}" if line else "" for line in body.splitlines())
    return f'??? {kind} "{title}"\n\n{inside}'


def page(*parts: str) -> str:
    """A page of parts with a blank line between; empty ones are left out."""
    return "\n\n".join(part for part in parts if part) + "\n"
