"""Keep what is printed from ending a run: signs that an encoding lacks, closed streams, a reader that has gone."""

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

PLAIN = {
    "−": "-", "–": "-", "—": "-", "━": "=", "·": "-", "×": "x", "‖": "||", "√": "sqrt", "∂": "d", "∇": "grad", "∫": "int",
    "±": "+-", "≤": "<=", "≥": ">=", "≈": "~", "≠": "!=", "→": "->", "↦": "->", "↑": "up", "↓": "down", "✓": "+", "✗": "x",
    "½": "1/2", "¼": "1/4", "‘": "'", "’": "'", "“": '"', "”": '"', "⟨": "<", "⟩": ">",
}  # fmt: skip
"""Signs that have no ASCII part by themselves."""
ERRORS = "pushforward"
"""Name of the error handler of encodings that writes them so."""


def plainly(sign: str) -> str:
    """Return the nearest ASCII of a sign: `β` is beta, `é` is e, `²` is 2; a question mark where there is none."""
    if sign in PLAIN:
        return PLAIN[sign]
    name = unicodedata.name(sign, "").split(" WITH ")[0].split()
    if name[:1] == ["GREEK"] and "LETTER" in name:
        return name[-1].lower() if "SMALL" in name else name[-1].capitalize()
    ascii_part = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return ascii_part or ("" if unicodedata.combining(sign) else "?")


def _unencodable(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(plainly, error.object[error.start : error.end])), error.end


codecs.register_error(ERRORS, _unencodable)


def prepare() -> None:
    """Open what a shell has closed (`>&-`), and lets the standard streams take every sign. For a process's start."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:  # else the next file that is opened gets this number, and what libraries print
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


class Steady:
    """A text stream whose writes never fail: what nobody takes any more is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except OSError:
            self.drop()
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError:
            self.drop()

    def drop(self) -> None:
        """From now on the stream writes to nowhere, what it still holds included."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)


@contextmanager
def steady() -> Iterator[None]:
    """Training continues where its output does not: `train | head`, a terminal that was closed, a full disk."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Steady(sys.stdout), Steady(sys.stderr)  # type: ignore[assignment]
    try:
        yield
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        sys.stdout, sys.stderr = before
