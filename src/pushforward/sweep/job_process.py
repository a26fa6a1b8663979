"""A job's process on a machine that a scheduler chose: started there, told to stop, gone with the one that started it."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from pushforward import config
from pushforward.runs import Run

LOOK_SECONDS = 0.2
"""The seconds between two looks at whether a job has ended or is to stop."""
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def begin(file: Path, log: Path | None, environment: Mapping[str, str] = os.environ) -> subprocess.Popen[bytes]:
    """Start `python -m pushforward.job FILE` in a session of its own; its output goes to `log`, None: where ours goes."""
    frozen = yaml.safe_load(file.read_text(encoding="utf-8"))
    threads = str(Run(file.parent).status.get("threads") or config.threads(frozen))  # a resumed run keeps its own
    named = {**environment, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    with log.open("ab") if log else contextlib.nullcontext() as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "pushforward.job", str(file)], stdout=output, stderr=output and subprocess.STDOUT,
            stdin=subprocess.DEVNULL, env=named, start_new_session=True, preexec_fn=bound,
        )  # fmt: skip


def bound() -> None:
    """In the new process: it is killed where its starter dies, and a scheduler's warning is its starter's business."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    if _libc is not None:
        _libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # 1: PR_SET_PDEATHSIG


def follow(process: "subprocess.Popen[bytes]", asked: Callable[[], bool], patience: float) -> int:
    """Return the job's exit code. Once `asked` it is told to stop, and checkpoints; after `patience` seconds it is killed."""
    told: float | None = None
    try:
        while (code := process.poll()) is None:
            if told is None and asked():
                told = time.monotonic()
                process.send_signal(signal.SIGTERM)
            if told is not None and time.monotonic() - told > patience:
                process.kill()
            time.sleep(LOOK_SECONDS)
        return code
    finally:
        if process.returncode != 0:  # its other ranks, too
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
