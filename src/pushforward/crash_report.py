"""Say in one line what ended a command; the traceback goes to a log. Imports no torch."""

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pushforward.errors import PushforwardError, described
from pushforward.runs import outputs
from pushforward.signals import Interrupted
from pushforward.untrusted_text import line

BUSY = 75
"""Exit code of a job whose run another process trains (EX_TEMPFAIL)."""
SYSTEM = 74
"""Exit code where the operating system refused: no room, no permission, a folder that is gone (EX_IOERR)."""

RESUMES = "; the same command resumes"
ELSEWHERE = "set PUSHFORWARD_OUTPUTS to a folder that can be written"
REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room within your quota",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
    errno.EROFS: ELSEWHERE,
    errno.EACCES: f"get the permission, or {ELSEWHERE}",
    errno.EPERM: f"get the permission, or {ELSEWHERE}",
    errno.ENOENT: "it was moved or deleted",
    errno.ENOTDIR: "it or a folder above it is a file: rename it",
    errno.EISDIR: "it is a folder where a file belongs: rename it",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "free memory",
    errno.EIO: "the disk or its connection failed: look at the system's log",
    errno.ESTALE: "the network file system was mounted again: start the command again",
}  # fmt: skip


def system_error(error: BaseException | None) -> OSError | None:
    """Return the refusal of the operating system that an exception is, or that caused it; None where there is none."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in REMEDIES:
            return error
        error = error.__cause__
    return None


def explain(error: BaseException) -> str:
    """Return one line: what, where, and the remedy where there is one."""
    refused = system_error(error)
    if refused is None:
        return described(error)
    where = f"{refused.filename}: " if refused.filename else ""
    return f"{where}{(refused.strerror or type(refused).__name__).lower()}; {REMEDIES[refused.errno or 0]}"


def keep_trace(error: BaseException, log: Path | None = None) -> str:
    """Append the traceback to `log`, else to a file in `outputs/logs`, else where there is room. Returns where it is."""
    text = "".join(traceback.format_exception(error))
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.getpid()}.log"
    places: list[Callable[[], Path]] = [
        lambda: outputs() / "logs" / name, lambda: Path(tempfile.gettempdir()) / f"pushforward-{name}"
    ]  # fmt: skip
    for place in [*([] if log is None else [lambda: log]), *places]:
        try:
            file = place()
            if file != log:
                file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as opened:
                opened.write(text)
            return f"the traceback is in {file}"
        except OSError:
            continue
    return "PUSHFORWARD_FULL_ERROR=1 shows the traceback"


def guarded(action: Callable[[], int], afterwards: str = "") -> int:
    """The exit code of `action`; what it raises is one line on stderr. afterwards: what a person does after an interruption.

    2 for bad input, 74 where the operating system refused, 1 for any other exception, 128 + the signal for an interruption.
    """
    try:
        return action()
    except SystemExit as done:  # argparse, after --help
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt as interruption:
        said, code = str(interruption) or "interrupted", 130
        if isinstance(interruption, Interrupted):
            code = interruption.code
        print(line(f"{said}{afterwards}"), file=sys.stderr)
        return code
    except Exception as error:
        if os.environ.get("PUSHFORWARD_FULL_ERROR"):
            raise
        if isinstance(error, PushforwardError):
            print(line(f"error: {error}"), file=sys.stderr)
            return 2
        print(line(f"error: {explain(error)}; {keep_trace(error)}"), file=sys.stderr)
        return SYSTEM if system_error(error) else 1
