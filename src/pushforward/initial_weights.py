"""Where a run's weights start from when they are another run's: found, checked and told apart by content. Imports no torch."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.runs import find


def described(given: str | None) -> tuple[str | None, dict[str, Any]]:
    """`init_from` as an absolute path, and what is known of the weights there: file, their sha256, run and its identity.

    given: RUN, whose chosen weights are meant, or a checkpoint file. Raises PushforwardError where there are none, or the run
    is not finished.
    """
    if given is None:
        return None, {}
    file = Path(given).expanduser().absolute()
    if file.is_file():
        return str(file), {"file": str(file), "sha256": checksum(file)}
    if "/" in given and not (file / "config.yaml").is_file():
        raise PushforwardError(f"init_from={given}: there is no such file, and no run's folder")
    try:
        runs = find(given)
    except PushforwardError as error:
        raise PushforwardError(f"init_from={given}: {error}") from None
    if len(runs) > 1:
        raise PushforwardError(
            f"init_from={given}: {len(runs)} runs match, such as {runs[0].id} and {runs[1].id}; name one"
        )
    run = runs[0]
    if run.state != "finished":
        raise PushforwardError(
            f"init_from={given}: {run.id} is {run.state}; train it to its end, or name a checkpoint file"
        )
    best = run.checkpoints / "best.ckpt"
    file = best if best.is_file() else run.checkpoints / "last.ckpt"
    if not file.is_file():
        raise PushforwardError(f"init_from={given}: {run.id} has no checkpoint any more")
    found = {"file": str(file), "sha256": checksum(file), "run": run.id, "identity": run.identity}
    return str(run.path), found


def checksum(file: Path) -> str:
    """Return SHA-256 of a file, 64 hex digits; kept as long as its size and time are the same."""
    there = file.stat()
    return _checksum(file, there.st_size, there.st_mtime_ns)


@lru_cache(maxsize=64)
def _checksum(file: Path, size: int, time: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
