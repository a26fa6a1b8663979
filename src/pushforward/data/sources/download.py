"""Files of public data sets: in the person's folder or the cache, else downloaded; checked, whole or not there."""

import gzip
import hashlib
import io
import logging
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlparse

import numpy as np
import torch
from torch import Tensor

from pushforward.data.sources.base import Lazy, gather
from pushforward.errors import PushforwardError

T = TypeVar("T")
ENVIRONMENT = "PUSHFORWARD_DATA"
DAMAGED = (EOFError, OSError, zlib.error, tarfile.TarError, ValueError)


def data_root() -> Path | None:
    """The folder that PUSHFORWARD_DATA names, or None where it is not set."""
    root = os.environ.get(ENVIRONMENT)
    if not root:
        return None
    path = Path(root).expanduser()
    if not path.is_dir():
        raise PushforwardError(f"{ENVIRONMENT}={root} is not a folder: create it, correct it, or unset it to download.")
    return path


def cache_root() -> Path:
    import pooch

    return Path(pooch.os_cache("pushforward"))


def obtain(name: str, file: str, mirrors: Iterable[str], read: Callable[[Path, bool], T], raw: str | None = None) -> T:
    """`read(path, own)` of the first whole copy of `file`: $PUSHFORWARD_DATA/name, the cache, then each mirror in turn.

    `read` checks what it reads and raises one of DAMAGED. A damaged file in the person's own folder is an error, since
    only they can mend it; a damaged file in the cache is downloaded again. `raw` is an unpacked form, accepted too.
    """
    root = data_root()
    for own in [root / name / (raw or file), root / name / file] if root else []:
        if own.exists():
            if not own.is_file() and not own.is_dir():  # opening a FIFO waits for ever
                raise PushforwardError(f"{own} is neither a file nor a folder: replace or remove it.")
            try:
                return read(own, True)
            except DAMAGED as error:
                remedy = "replace it, or remove it to have it downloaded"
                raise PushforwardError(f"{own} is damaged ({reason(error)}): {remedy}.") from error
    cached = cache_root() / name / file
    if cached.is_file():
        try:
            return read(cached, False)
        except DAMAGED:
            cached.unlink(missing_ok=True)
    return _download(name, file, tuple(mirrors), read, cached)


def _download(name: str, file: str, mirrors: tuple[str, ...], read: Callable[[Path, bool], T], target: Path) -> T:
    failures = []
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".incoming-") as aside:
        for mirror in mirrors:
            try:
                path = retrieve(mirror + file, Path(aside), file)
                value = read(path, False)
                path.replace(target)
                return value
            except DAMAGED as error:
                failures.append(f"{urlparse(mirror).hostname}: {reason(error)}")
    raise PushforwardError(
        f"{name}: no complete copy of {file} could be downloaded ({'; '.join(failures)}). "
        f"Connect to the network, or put it into a folder as {name}/{file} and set {ENVIRONMENT} to that folder."
    )


def retrieve(url: str, folder: Path, file: str) -> Path:
    """Download `url` to folder/file, with a bar for what takes long."""
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    bar: Any = Bar(file)
    (folder / file).unlink(missing_ok=True)
    try:
        downloader = pooch.HTTPDownloader(timeout=15, progressbar=bar)
        return Path(pooch.retrieve(url, known_hash=None, fname=file, path=folder, downloader=downloader))
    finally:
        bar.close()


class Bar:
    """A progress bar for pooch's downloads, shown by rich."""

    def __init__(self, file: str) -> None:
        from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

        columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
        self.progress = Progress(*columns, transient=True)
        self.task = self.progress.add_task(f"downloading {file}", total=None)
        self.total = 0
        self.progress.start()

    def update(self, n: int) -> None:
        self.progress.update(self.task, advance=n, total=self.total or None)

    def reset(self) -> None:
        self.progress.reset(self.task)

    def close(self) -> None:
        self.progress.stop()


def reason(error: BaseException) -> str:
    """An error in a few words: the first line, without the objects that network libraries print."""
    if isinstance(error, EOFError):
        return "truncated"
    if type(error).__module__.startswith("requests"):
        response = getattr(error, "response", None)
        return f"HTTP {response.status_code}" if response is not None else "no connection"
    return (str(error).splitlines() or [type(error).__name__])[0]


def check_md5(payload: bytes, md5: str, what: str) -> None:
    found = hashlib.md5(payload, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ValueError(f"wrong checksum of {what}: md5 {found}, expected {md5}")


def check_file_md5(path: Path, md5: str) -> None:
    """Raises ValueError where the file's checksum is another; large files are not taken into memory."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise ValueError(f"wrong checksum: md5 {found}, expected {md5}")


def kept(name: str, file: str, make: Callable[[], Tensor | Lazy]) -> Tensor:
    """The images that `make` gives, from a file in the cache that is mapped into memory: they are decoded once.

    What checksum they are of belongs into the file's name. A damaged file is made again.
    """
    path = cache_root() / name / f"{file}.npy"
    if not path.is_file() or (found := mapped(path)) is None:
        from rich.progress import track

        x = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".incoming-") as aside:
            whole = Path(aside) / path.name
            array = np.lib.format.open_memmap(whole, mode="w+", dtype=np.uint8, shape=tuple(x.shape))
            for rows in track(torch.arange(len(x)).split(500), f"decoding {name}, once", transient=True):
                array[rows[0] : rows[-1] + 1] = gather(x, rows).numpy()
            array.flush()
            whole.replace(path)
        found = mapped(path)
        assert found is not None
    return found


def mapped(path: Path) -> Tensor | None:
    """The tensor in a .npy file, of which what is used is read; None where the file is damaged."""
    try:
        return torch.from_numpy(np.load(path, mmap_mode="c"))  # copied on write: torch has no read-only tensors
    except DAMAGED:
        return None


def unpack(path: Path) -> bytes:
    """The payload of a gzip file, or of a plain one; gzip's own CRC shows truncation."""
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def members(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The named members of a tar.gz, or the files of those names in a folder."""
    wanted = set(names)
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in wanted}
    found = {}
    with tarfile.open(fileobj=io.BytesIO(unpack(path))) as tar:
        for member in tar.getmembers():
            handle = tar.extractfile(member) if Path(member.name).name in wanted else None
            if handle is not None:
                found[Path(member.name).name] = handle.read()
    if missing := wanted - set(found):
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    return found
