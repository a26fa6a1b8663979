"""Public files: from the person's folder, from mirrors in turn, never half a file, and one clear error."""

import gzip
import hashlib
import http.server
import io
import os
import pickle
import struct
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from pushforward.data.sources import MNIST, Cifar10, FashionMNIST
from pushforward.data.sources.idx import FILES, Idx, parse
from pushforward.errors import PushforwardError


def idx(array: np.ndarray) -> bytes:
    return b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


RNG = np.random.default_rng(0)
PAYLOADS = {
    FILES[0]: idx(RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)),
    FILES[1]: idx(np.arange(20, dtype=np.uint8) % 10),
    FILES[2]: idx(RNG.integers(0, 256, (10, 28, 28), dtype=np.uint8)),
    FILES[3]: idx(np.arange(10, dtype=np.uint8)),
}


class Small(Idx):
    name = "small"
    class_names = tuple("0123456789")
    payload_md5: ClassVar[dict[str, str]] = {f: hashlib.md5(p).hexdigest() for f, p in PAYLOADS.items()}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which this machine serves it."""
    root = tmp_path / "www"
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(root))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield root, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def write(folder: Path, level: int = 6) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, payload in PAYLOADS.items():
        (folder / f"{file}.gz").write_bytes(gzip.compress(payload, level, mtime=level))


def test_idx_payload_is_parsed_and_its_length_checked() -> None:
    x = parse(PAYLOADS[FILES[0]])
    assert x.shape == (20, 28, 28) and x.dtype == torch.uint8
    for broken, said in (
        (PAYLOADS[FILES[0]][:-1], "truncated"),
        (b"<html>no such page", "not an IDX"),
        (b"", "not an IDX"),
    ):
        with pytest.raises(ValueError, match=said):
            parse(broken)


@pytest.mark.parametrize("packed", [True, False])
def test_own_folder_is_read_whatever_the_gzip_header(
    alone: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    folder = alone / "mine" / "small"
    write(folder, level=1)
    if not packed:
        for file, payload in PAYLOADS.items():
            (folder / f"{file}.gz").unlink()
            (folder / file).write_bytes(payload)
    monkeypatch.setenv("PUSHFORWARD_DATA", str(alone / "mine"))
    Small.mirrors = ()
    arrays = Small().load()
    assert arrays.train.x.shape == (20, 1, 28, 28) and arrays.test is not None and len(arrays.test) == 10
    assert arrays.train.y is not None and arrays.train.y[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("damage", ["truncated", "checksum", "text"])
def test_damaged_file_in_the_own_folder_is_named(alone: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    folder = alone / "mine" / "small"
    write(folder)
    path = folder / f"{FILES[2]}.gz"
    whole = path.read_bytes()
    other = bytearray(PAYLOADS[FILES[2]])
    other[-1] ^= 1
    path.write_bytes({"truncated": whole[:-100], "checksum": gzip.compress(bytes(other)), "text": b"404"}[damage])
    monkeypatch.setenv("PUSHFORWARD_DATA", str(alone / "mine"))
    with pytest.raises(PushforwardError, match="damaged") as error:
        Small().load()
    message = str(error.value)
    assert str(path) in message and "replace it" in message and "\n" not in message


def test_a_fifo_in_the_own_folder_is_named_and_not_opened(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone / "small").mkdir()
    os.mkfifo(alone / "small" / FILES[0])
    monkeypatch.setenv("PUSHFORWARD_DATA", str(alone))
    with pytest.raises(PushforwardError, match=rf"{FILES[0]} is neither a file nor a folder"):
        Small().load()


def test_mirrors_are_tried_in_turn_and_the_cache_holds_whole_files_only(alone: Path, served: tuple[Path, str]) -> None:
    root, address = served
    write(root / "good")
    write(root / "half")
    for path in (root / "half").iterdir():
        path.write_bytes(path.read_bytes()[:-10])
    Small.mirrors = (f"{address}nothing/", f"{address}half/", f"{address}good/")
    first = Small().load()
    cache = alone / "cache" / "pushforward" / "small"
    assert sorted(p.name for p in cache.iterdir()) == sorted(f"{f}.gz" for f in FILES)
    Small.mirrors = ()
    second = Small().load()  # from the cache alone
    assert torch.equal(first.train.x, second.train.x)  # type: ignore[arg-type]
    (cache / f"{FILES[0]}.gz").write_bytes(b"\x1f\x8bhalf")  # damaged since: fetched again
    Small.mirrors = (f"{address}good/",)
    assert torch.equal(first.train.x, Small().load().train.x)  # type: ignore[arg-type]


def test_no_network_says_what_was_tried_and_what_to_do(alone: Path) -> None:
    Small.mirrors = ("http://127.0.0.1:9/", "http://localhost:9/")
    with pytest.raises(PushforwardError) as error:
        Small().load()
    message = str(error.value)
    for part in ("small", FILES[0], "127.0.0.1", "localhost", "PUSHFORWARD_DATA", "Connect"):
        assert part in message
    assert "\n" not in message
    assert not any((alone / "cache" / "pushforward" / "small").iterdir())


def test_folder_that_is_none_is_named(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_DATA", str(alone / "nowhere"))
    with pytest.raises(PushforwardError, match="nowhere is not a folder"):
        MNIST().load()


@pytest.mark.parametrize("unpacked", [False, True])
def test_cifar10_reads_the_archive_and_refuses_a_wrong_batch(
    alone: Path, monkeypatch: pytest.MonkeyPatch, unpacked: bool
) -> None:
    files = {}
    for k, name in enumerate(Cifar10.batches):
        data = np.full((4, 3072), k, dtype=np.uint8)
        data[:, :1024] = 200  # the red plane comes first
        files[name] = pickle.dumps({b"data": data, b"labels": [k] * 4})
    monkeypatch.setattr(Cifar10, "batches", {name: hashlib.md5(b).hexdigest() for name, b in files.items()})
    folder = alone / "mine" / "cifar10"
    inner = folder / "cifar-10-batches-py"
    (inner if unpacked else folder).mkdir(parents=True)
    if unpacked:
        for name, content in files.items():
            (inner / name).write_bytes(content)
    else:
        with tarfile.open(folder / Cifar10.archive, "w:gz") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    monkeypatch.setenv("PUSHFORWARD_DATA", str(alone / "mine"))
    arrays = Cifar10().load()
    assert arrays.train.x.shape == (20, 3, 32, 32) and arrays.test is not None and len(arrays.test) == 4
    pixels = arrays.train.x[5]  # type: ignore[index]
    assert pixels[0].unique().tolist() == [200] and pixels[2].unique().tolist() == [1]
    monkeypatch.setattr(Cifar10, "batches", {**Cifar10.batches, "test_batch": "0" * 32})
    with pytest.raises(PushforwardError, match="wrong checksum of test_batch"):
        Cifar10().load()


@pytest.mark.parametrize("source", [MNIST(), FashionMNIST()])
def test_real_files(source: Idx) -> None:
    """60,000 and 10,000 images, 6,000 of each class of Fashion-MNIST; MNIST's mean is 0.1307, Fashion's 0.2860."""
    import os

    root = os.environ.get("PUSHFORWARD_DATA")
    if not root or not (Path(root) / source.name).is_dir():
        pytest.skip(f"PUSHFORWARD_DATA names no folder with {source.name}/: set it to test with the real files")
    arrays = source.load()
    assert arrays.test is not None and (len(arrays.train), len(arrays.test)) == (60_000, 10_000)
    mean = {"mnist": 0.1307, "fashion_mnist": 0.2860}[source.name]
    assert arrays.train.x.double().mean() / 255 == pytest.approx(mean, abs=5e-5)  # type: ignore[union-attr]
    assert arrays.train.y is not None and len(arrays.train.y.unique()) == 10
