"""Files that survive `kill -9`: written whole, locks that die with their owner, curves that can be cut back."""

import csv
import errno
import fcntl
import io
import math
import os
import re
import stat
import struct
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pushforward.errors import PushforwardError, Unreadable

if TYPE_CHECKING:
    import numpy as np


def is_name(text: str) -> bool:
    """Whether a text can name a file or folder of ours: one path component that does not begin with a dot."""
    return bool(re.fullmatch(r"[^\W_][\w .+=,@-]*", text)) and len(text.encode()) <= 200


def name(text: str, key: str) -> str:
    """`text`, the name of a file or folder of ours that `key` gives. Raises PushforwardError where it is no path component."""
    if not is_name(text):
        raise PushforwardError(
            f"{key}={text[:60]!r}: give a name of letters, digits, - and _, without / and not beginning with a dot"
        )
    return text


ASIDE = ".aside-"
"""Prefix of a file being written; what a killed process leaves behind is removed by `tidy`."""


@contextmanager
def whole(path: Path, durable: bool = True, parents: bool = True) -> Iterator[Path]:
    """Yield a path beside `path` (same suffix) to write to: it becomes `path` at the end, or is removed on an exception.

    durable: it survives a power cut, too; otherwise only the end of its process, and costs a tenth.
    parents: make its folder; otherwise a folder that was deleted meanwhile is an error.
    """
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.parent / f"{ASIDE}{os.getpid()}-{path.name}"
    try:
        yield aside
        if durable:
            sync(aside)
        aside.replace(path)
        if durable:
            sync(path.parent)  # the rename itself must survive a power cut
    except OSError as error:
        if error.filename in (None, str(aside)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):
            aside.unlink()


def refuse_links(folder: Path) -> None:
    """Raise PushforwardError where a file or folder in `folder` is a link: nothing is written through one."""
    try:
        with os.scandir(folder) as entries:
            link = next((entry.path for entry in entries if entry.is_symlink()), None)
    except FileNotFoundError:
        return
    if link is not None:
        raise PushforwardError(
            f"{link} is a link, and nothing is written through it: put what it points to in its place"
        )


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes | str, durable: bool = True, parents: bool = True) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part."""
    with whole(Path(path), durable, parents) as aside:
        aside.write_bytes(data.encode() if isinstance(data, str) else data)


def tidy(folder: Path) -> None:
    """Remove what killed writers left below `folder`. Only the holder of the folder's lock may call it."""
    for aside in folder.rglob(f"{ASIDE}*"):
        aside.unlink(missing_ok=True)


# struct flock of F_GETLK: (type, whence, start, length, pid) on Linux, (start, length, pid, type, whence) on macOS
_BSD = sys.platform == "darwin" or "bsd" in sys.platform
_FLOCK = "qqihh" if _BSD else "hhqqi4x"
_held: dict[tuple[int, int], int] = {}
"""Lock files held by this process: (device, inode) → pid. POSIX drops a process's locks on a file when it closes *any*
descriptor of it, so a file held here is not opened again; the pid tells a fork's copy of this table from its own."""


def _inode(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _held_here(file: Path) -> bool:
    inode = _inode(file)
    return inode is not None and _held.get(inode) == os.getpid()


def holder(run: Path) -> int | None:
    """Process id that holds `<run>/.lock` (0 if it runs on another machine), or None. Asks without locking.

    Raises OSError where that cannot be known: the file is another user's and private, or its file system has no locks.
    """
    file = Path(run) / ".lock"
    if _held_here(file):
        return os.getpid()
    try:
        descriptor = os.open(file, os.O_RDONLY)  # asking takes no right to write
    except FileNotFoundError:
        return None
    try:
        fields = (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET) if _BSD else (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(_FLOCK, *fields)))
    finally:
        os.close(descriptor)
    kind, pid = (answer[3], answer[2]) if _BSD else (answer[0], answer[4])
    return None if kind == fcntl.F_UNLCK else max(pid, 0)


def is_locked(run: Path) -> bool:
    """Whether some process, this one included, holds the run's lock. Raises OSError where that cannot be known."""
    return holder(run) is not None


class Lock:
    """A run directory's lock: POSIX `lockf` on `<run>/.lock`. Freed when its process dies; not inherited by forks."""

    def __init__(self, run: Path):
        self.file = Path(run) / ".lock"
        self._descriptor: int | None = None

    def acquire(self, blocking: bool = False) -> bool:
        """True if this object now holds the lock. A second `Lock` in this process is refused like another process.

        Raises PushforwardError where the file system gives no locks.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        refuse_links(self.file.parent)
        while _held_here(self.file):
            if not blocking:
                return False
            time.sleep(0.05)
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise PushforwardError(
                f"{self.file.parent}: its file system gives no locks ({error.strerror}), so two processes could train "
                "one run; set PUSHFORWARD_OUTPUTS to a folder on another one"
            ) from None
        except BaseException:  # a signal, while waiting
            os.close(descriptor)
            raise
        stat = os.fstat(descriptor)
        _held[stat.st_dev, stat.st_ino] = os.getpid()
        self._descriptor = descriptor
        return True

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    @property
    def lost(self) -> bool:
        """Whether the file of a lock that this object holds was deleted, and its folder most likely with it."""
        return self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0

    def release(self) -> None:
        if self._descriptor is None:
            return
        stat = os.fstat(self._descriptor)
        _held.pop((stat.st_dev, stat.st_ino), None)
        os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> "Lock":
        if self._descriptor is None:
            self.acquire(blocking=True)
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def read_plain(path: Path, most: int = 2**26) -> bytes | None:
    """The content of a plain file; None where there is none. Raises Unreadable for a folder, a pipe, a loop, `most` bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise Unreadable(f"{path.name} is a link to nothing") from None
        return None
    except OSError as error:
        raise Unreadable(f"{path.name}: {(error.strerror or str(error)).lower()}") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise Unreadable(f"{path.name} is no file")
    with os.fdopen(descriptor, "rb") as file:
        if found.st_size > most:
            raise Unreadable(f"{path.name} has {found.st_size:,} bytes, more than {most:,}")
        try:
            return file.read(most)
        except OSError as error:
            raise Unreadable(f"{path.name}: {(error.strerror or str(error)).lower()}") from None


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a curve file; rows that a kill or damage has torn are left out, and all of a file that is none."""
    try:
        text = (read_plain(path) or b"").decode(errors="replace")
    except Unreadable:
        return [], []
    lines = csv.reader(io.StringIO(text[: text.rfind("\n") + 1]))
    header: list[str] = []
    rows: list[list[str]] = []
    while True:
        try:
            row = next(lines)
        except csv.Error:
            continue
        except StopIteration:
            return header, rows
        if header and len(row) == len(header) and row[0].isdigit() and all(map(_is_number, row)):
            rows.append(row)
        elif not header:
            if row[:1] != ["images_seen"] or len(set(row)) < len(row):
                return [], []
            header = row


def _is_number(cell: str) -> bool:
    try:
        return not cell or math.isfinite(float(cell)) or cell in ("nan", "inf", "-inf")
    except ValueError:
        return False


def read_curves(path: Path) -> "dict[str, np.ndarray]":
    """Return the columns of a curve file as float64 arrays of equal length, NaN where a row lacks the column."""
    import numpy as np

    header, rows = _rows(path)
    return {name: np.array([float(row[i] or "nan") for row in rows], float) for i, name in enumerate(header)}


class CurveWriter:
    """Appends rows to a CSV file whose columns may grow. Each row is flushed; images_seen is the first column."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self._start(*_rows(self.path))

    def _start(self, header: list[str], rows: list[list[str]]) -> None:
        self.header = header or ["images_seen"]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.header, *rows])
        write_whole(self.path, text.getvalue(), parents=False)
        self._file = self.path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self.checksum = 0
        """CRC-32 of the rows: of what they say, whatever columns have been added since."""
        for row in rows:
            self._count(row)

    def _count(self, row: list[str]) -> None:
        said = [f"{name}={cell}" for name, cell in zip(self.header, row, strict=True) if cell]
        self.checksum = zlib.crc32(",".join(said).encode(), self.checksum)

    def append(self, images_seen: int, values: Mapping[str, Any]) -> None:
        new = [name for name in values if name not in self.header]
        if new:
            self._file.close()
            _, rows = _rows(self.path)
            self._start(self.header + new, [row + [""] * len(new) for row in rows])
        cells = {"images_seen": int(images_seen)} | {k: repr(float(v)) for k, v in values.items() if v is not None}
        row = [str(cells.get(name, "")) for name in self.header]
        self._count(row)
        self._writer.writerow(row)
        try:
            self._file.flush()
        except OSError as error:
            error.filename = str(self.path)
            raise

    def cut(self, images_seen: int) -> None:
        """Drop the rows after `images_seen`: what a resumed run is about to write again."""
        self._file.close()
        header, rows = _rows(self.path)
        self._start(header, [row for row in rows if int(row[0]) <= images_seen])

    def close(self) -> None:
        """End writing; what a full disk did not take is left out."""
        with suppress(OSError):
            self._file.close()
