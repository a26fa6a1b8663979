"""One run from its frozen config to its record."""

import os
from pathlib import Path
from typing import Any

from pushforward import data_identity
from pushforward.errors import Busy, PushforwardError
from pushforward.parallel import rank
from pushforward.runs import RunDir
from pushforward.signals import Requests, handled
from pushforward.training.conclude import EXIT, close_loggers, conclude, fail
from pushforward.training.lightning_host import fit
from pushforward.training.prepare import prepare


def train(frozen: dict[str, Any], path: Path) -> int:
    """Trains, evaluates and records the run at `path`, resuming from its last checkpoint. Returns the exit code.

    Raises PushforwardError where another process is training it, or where input is bad (the run is then `failed`).
    """
    run, requests = RunDir(path), Requests()
    data_identity.check(frozen)
    if rank() == 0 and not run.lock.acquire():
        raise Busy(f"{path}: another process is training this run; see pushforward status")
    try:
        with handled(requests.take):
            session = prepare(frozen, run, requests)
            try:
                fit(session)
                return conclude(session)
            except BaseException:
                close_loggers(session, failed=True)
                raise
    except BaseException as error:
        code = fail(run, error) if rank() == 0 else EXIT["failed"]
        full = isinstance(error, Exception) and os.environ.get("PUSHFORWARD_FULL_ERROR")
        if full or isinstance(error, PushforwardError):
            raise
        return code
    finally:
        run.lock.release()
