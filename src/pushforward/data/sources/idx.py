"""MNIST and its kin: 60,000 + 10,000 grey images of 28×28 pixels in LeCun's IDX format."""

import math
import struct
from abc import ABC
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.data.sources.download import check_md5, obtain, unpack

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
FILES = (f"train-{IMAGES}", f"train-{LABELS}", f"t10k-{IMAGES}", f"t10k-{LABELS}")


def parse(payload: bytes) -> Tensor:
    """The uint8 tensor in an IDX payload; ValueError where header and length disagree. http://yann.lecun.com/exdb/mnist/"""
    if len(payload) < 4 or payload[:3] != b"\x00\x00\x08":
        raise ValueError("not an IDX file of bytes")
    dims = payload[3]
    start = 4 + 4 * dims
    if len(payload) < start:
        raise ValueError("truncated header")
    shape = struct.unpack(f">{dims}I", payload[4:start])
    if len(payload) != start + math.prod(shape):
        raise ValueError(f"truncated: {len(payload):,} bytes, expected {start + math.prod(shape):,} for {shape}")
    return torch.frombuffer(bytearray(payload), dtype=torch.uint8)[start:].reshape(shape)


class Idx(Source, ABC):
    """Four IDX files. `payload_md5` is taken over the decompressed payload, so that any mirror's gzip header will do.

    `packed_md5`, where the payload's is not published, holds for downloaded gzip files; a user's own are then
    checked by gzip's CRC and the IDX header alone.
    """

    mirrors: ClassVar[tuple[str, ...]]
    class_names: ClassVar[tuple[str, ...]]
    payload_md5: ClassVar[dict[str, str]] = {}
    packed_md5: ClassVar[dict[str, str]] = {}

    def load(self) -> Arrays:
        x, y, x_test, y_test = (self._file(file) for file in FILES)
        return Arrays(
            train=Split(x.unsqueeze(1), y.to(torch.int64)),
            test=Split(x_test.unsqueeze(1), y_test.to(torch.int64)),
            levels=256,
            n_classes=len(self.class_names),
            class_names=self.class_names,
        )

    def _file(self, file: str) -> Tensor:
        def read(path: Path, own: bool) -> Tensor:
            payload = unpack(path)
            tensor = parse(payload)
            if file in self.payload_md5:
                check_md5(payload, self.payload_md5[file], "the payload")
            elif not own:
                check_md5(path.read_bytes(), self.packed_md5[file], "the gzip file")
            return tensor

        return obtain(self.name, f"{file}.gz", self.mirrors, read, raw=file)


DIGIT_NAMES = tuple(str(k) for k in range(10))


@dataclass(frozen=True)
class MNIST(Idx):
    """Handwritten digits. LeCun, Bottou, Bengio & Haffner 1998."""

    name = "mnist"
    class_names = DIGIT_NAMES
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    payload_md5: ClassVar[dict[str, str]] = {
        FILES[0]: "6bbc9ace898e44ae57da46a324031adb",
        FILES[1]: "a25bea736e30d166cdddb491f175f624",
        FILES[2]: "2646ac647ad5339dbf082846283269ea",
        FILES[3]: "27ae3e4e09519cfbb04c329615203637",
    }


@dataclass(frozen=True)
class FashionMNIST(Idx):
    """Articles of clothing. Xiao, Rasul & Vollgraf 2017."""

    name = "fashion_mnist"
    class_names = (
        "T-shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "boot",
    )
    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    )
    payload_md5: ClassVar[dict[str, str]] = {
        FILES[0]: "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        FILES[1]: "9018921c3c673c538a1fc5bad174d6f9",
        FILES[2]: "8181f5470baa50b63fa0f6fddb340f0a",
        FILES[3]: "15d484375f8d13e6eb1aabb0c3f46965",
    }


@dataclass(frozen=True)
class KMNIST(Idx):
    """Cursive Japanese (hiragana). Clanuwat et al. 2018."""

    name = "kmnist"
    class_names = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    mirrors = (
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    )
    packed_md5: ClassVar[dict[str, str]] = {
        FILES[0]: "bdb82020997e1d708af4cf47b453dcf7",
        FILES[1]: "e144d726b3acfaa3e44228e80efcd344",
        FILES[2]: "5c965bf0a639b31b8f53240b1b52f4d7",
        FILES[3]: "7320c461ea6c1c855c0b718fb2a4b134",
    }
