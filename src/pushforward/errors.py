"""The one exception that a person's input can cause, and what such a message suggests."""

import difflib
from collections.abc import Collection


class PushforwardError(ValueError):
    """Bad input, said in one line: what, where, and the remedy. The command line prints it and exits with 2."""


def near(word: str, known: Collection[str]) -> str:
    """`did you mean a or b?`, or all there are where nothing is near."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"choose from {', '.join(known)}" if known else "it takes none"
