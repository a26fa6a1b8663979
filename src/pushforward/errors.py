"""The exception that bad input raises, suggestions for its message, and any other exception in one line."""

import difflib
import sysconfig
import traceback
from collections.abc import Collection
from pathlib import Path

LIBRARIES = (str(Path(__file__).parent), *(sysconfig.get_paths()[key] for key in ("stdlib", "purelib", "platlib")))
"""Folders of code that is not the user's own."""


class PushforwardError(ValueError):
    """Bad input, said in one line: what, where, and the remedy. The command line prints it and exits with 2."""


class Busy(PushforwardError):
    """Another process trains this run."""


class Unreadable(PushforwardError):
    """A file of a run, sweep or study that is damaged, or of another version."""


def near(word: str, known: Collection[str]) -> str:
    """`did you mean a or b?`, or all there are where nothing is near."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    if close:
        ratios = [difflib.SequenceMatcher(None, word, other).ratio() for other in close]
        close = [other for other, ratio in zip(close, ratios, strict=True) if ratio > 0.85 * ratios[0]]
        return f"did you mean {' or '.join(close)}?"
    return f"choose from {', '.join(known)}" if known else "it takes none"


def described(error: BaseException) -> str:
    """Return an exception in one line: its message and type, and the line of the user's own code that raised it."""
    said = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, PushforwardError):
        return said
    frames = [frame for frame in traceback.extract_tb((error.__cause__ or error).__traceback__) if own(frame.filename)]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return type(error).__name__ + (f": {said}" if said else "") + place


def own(filename: str) -> bool:
    """Whether a file is neither this package's nor a library's."""
    return filename[:1] != "<" and not filename.startswith(LIBRARIES) and "site-packages" not in filename
