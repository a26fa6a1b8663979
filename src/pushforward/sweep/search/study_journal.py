"""A study's journal: trials in a file that many processes share, and whose each running trial is. Survives `kill -9`.

Optuna's own locks are files that a killed process leaves behind: others then wait 30 s and take it by force, from a
living process too if that was only slow. Ours are POSIX locks, like those of run directories: the system frees them
when their process dies, on network file systems that carry locks too (NFS 4; NFS 3 with lockd).
"""

import os
import secrets
import shutil
import socket
from pathlib import Path
from types import TracebackType

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from pushforward.atomic_files import Lock, is_locked

FILE = "journal.jsonl"
DRIVER = "driver"
"""The attribute of a trial that names the process whose trial it is."""


class JournalLock:
    """Held while a record is appended. Whoever takes it first cuts off the half of a record that a killed writer left."""

    def __init__(self, file: Path) -> None:
        self.file, self.lock = file, Lock(file.parent / "locks" / "journal")

    def acquire(self) -> bool:
        if not self.lock.acquire(blocking=True):
            raise OSError(
                f"{self.lock.file}: this file system keeps no locks; set PUSHFORWARD_OUTPUTS to one that does"
            )
        cut_torn(self.file)
        return True

    def release(self) -> None:
        self.lock.release()


def cut_torn(file: Path) -> None:
    """Cut a file back to the end of its last whole line."""
    with file.open("rb+") as stream:
        end = stream.seek(0, os.SEEK_END)
        if not end:
            return
        stream.seek(end - 1)
        if stream.read(1) != b"\n":
            stream.truncate(file.read_bytes().rfind(b"\n") + 1)


def open_storage(folder: Path) -> JournalStorage:
    """Return the journal of the study in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    return JournalStorage(JournalFileBackend(str(file), lock_obj=JournalLock(file)))  # type: ignore[arg-type]


class Driver:
    """A process that runs trials, known to others by a lock that it holds as long as it lives."""

    def __init__(self, study: Path) -> None:
        self.folder = study / "locks" / "drivers"
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.lock = Lock(self.folder / self.name)

    def __enter__(self) -> "Driver":
        self.lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock.release()
        shutil.rmtree(self.folder / self.name, ignore_errors=True)

    def alive(self, name: str | None) -> bool:
        """Whether the process of that name lives, this one included. A trial without a name was never quite begun."""
        return name is not None and is_locked(self.folder / name)

    def orphans(self, study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
        """Running trials of dead processes, by number. To be asked, and acted on, under the study's lock only."""
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in running if not self.alive(trial.user_attrs.get(DRIVER))]
