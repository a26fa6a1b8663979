"""CelebA: 202,599 photographs of faces, aligned, 178×218, with 40 attributes. Liu, Luo, Wang & Tang 2015."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from pushforward.data.sources import images
from pushforward.data.sources.base import Arrays, Decoded, Lazy, Source, Split, View
from pushforward.data.sources.download import DAMAGED, ENVIRONMENT, cache_root, check_file_md5, data_root, kept, reason
from pushforward.domains import Count
from pushforward.errors import PushforwardError

FOLDER, ARCHIVE, PARTITION, ATTRIBUTES = (
    "img_align_celeba",
    "img_align_celeba.zip",
    "list_eval_partition.txt",
    "list_attr_celeba.txt",
)
SPLITS = {"train": "0", "val": "1", "test": "2"}
"""The splits as the partition's file writes them."""


class Faces(Decoded):
    """The photographs of these names in a folder or an archive: their central square of `crop` pixels, resized to `size`."""

    def __init__(self, place: Path, names: list[str], size: int, crop: int) -> None:
        self.place, self.names, self.size, self.crop = place, names, size, crop
        self.archive = None if place.is_dir() else zipfile.ZipFile(place)  # several threads may read it
        self.shape = (len(names), 3, size, size)

    def decode(self, i: int) -> Tensor:
        file: Path | images.Encoded = self.place / self.names[i]
        if self.archive is not None:
            try:
                file = images.Encoded(str(file), self.archive.read(f"{FOLDER}/{self.names[i]}"))
            except (KeyError, zipfile.BadZipFile, OSError) as error:
                raise PushforwardError(f"{file} cannot be read ({reason(error)}): replace {self.place}.") from error
        return images.read(file, self.size, grey=False, crop=self.crop)


@dataclass(frozen=True)
class CelebA(Source):
    """The published splits, 162,770 / 19,867 / 19,962; classes by one of the 40 attributes, or none.

    path: a folder with `img_align_celeba/` or `img_align_celeba.zip` and the two lists, or as many of the images as there
    are; None: the published files in PUSHFORWARD_DATA/celeba, which are checked and decoded once.
    """

    size: Count
    crop: Count
    attribute: str | None
    path: str | None = None

    name = "celeba"
    md5: ClassVar[dict[str, str]] = {
        ARCHIVE: "00d2c5bc6d35e252742224ab0c1e8fcb",
        PARTITION: "d32c9cbf5e040fd4025c592c306e6668",
        ATTRIBUTES: "75e246fa4810816ffd6ee81facbd244c",
    }

    def load(self) -> Arrays:
        root = self._root()
        place = root / FOLDER if (root / FOLDER).is_dir() else root / ARCHIVE
        lists = [PARTITION, *([] if self.attribute is None else [ATTRIBUTES])]
        if missing := [path for path in (place, *(root / file for file in lists)) if not path.exists()]:
            raise PushforwardError(
                f"celeba: there is no {missing[0]}. Nobody may pass these images on: get {ARCHIVE}, {PARTITION} and "
                f"{ATTRIBUTES} from mmlab.ie.cuhk.edu.hk/projects/CelebA.html, put them into a folder as celeba/ and set "
                f"{ENVIRONMENT} to that folder, or name celeba/ itself in data.source.path."
            )
        try:
            if self.path is None:
                for file in lists:
                    check_file_md5(root / file, self.md5[file])
            partition = dict(line.split() for line in (root / PARTITION).read_text(encoding="utf-8").splitlines())
            names = self._present(place, list(partition))
            x = Faces(place, names, self.size, self.crop) if self.path else self._kept(place, names)
            y = None if self.attribute is None else attribute(root / ATTRIBUTES, self.attribute, names)
        except (zipfile.BadZipFile, *DAMAGED) as error:
            raise PushforwardError(f"{root}: CelebA's files are damaged ({reason(error)}): replace them.") from error
        parts = {}
        for split, code in SPLITS.items():
            rows = torch.tensor([i for i, name in enumerate(names) if partition[name] == code], dtype=torch.int64)
            if len(rows):
                parts[split] = Split(View(x, rows), None if y is None else y[rows])
        if "train" not in parts:
            raise PushforwardError(f"{place}: none of its images is one to train on by {PARTITION}.")
        return Arrays(
            train=parts["train"],
            val=parts.get("val"),
            test=parts.get("test"),
            levels=256,
            n_classes=None if y is None else 2,
            class_names=() if y is None else (f"not {self.attribute}", str(self.attribute)),
        )

    def _root(self) -> Path:
        if self.path is not None:
            return Path(self.path).expanduser()
        return (data_root() or cache_root()) / self.name

    def _present(self, place: Path, names: list[str]) -> list[str]:
        """The names of images that are there, of a person's own path; of the published data all must be."""
        if place.is_dir():
            there = {path.name for path in place.iterdir()}
        else:
            with zipfile.ZipFile(place) as archive:
                there = {Path(name).name for name in archive.namelist()}
        missing = [name for name in names if name not in there]
        if missing and self.path is None:
            raise ValueError(f"{place.name} lacks {len(missing):,} of {len(names):,} images, {missing[0]} first")
        return [name for name in names if name in there]

    def _kept(self, place: Path, names: list[str]) -> Tensor | Lazy:
        def decoded() -> Faces:
            if place.is_file():
                check_file_md5(place, self.md5[ARCHIVE])
            return Faces(place, names, self.size, self.crop)

        return kept(self.name, f"{self.size}-of-{self.crop}-{self.md5[ARCHIVE][:8]}", decoded)


def attribute(path: Path, name: str, images: list[str]) -> Tensor:
    """Whether each image has the attribute, as classes 0 and 1, (n,). Raises PushforwardError for one that is not listed."""
    _, header, *lines = path.read_text(encoding="utf-8").splitlines()
    known = header.split()
    if name not in known:
        raise PushforwardError(f"data.source.attribute={name} is not known: use {', '.join(known)}.")
    column = 1 + known.index(name)
    has = {values[0]: values[column] == "1" for values in map(str.split, lines)}
    return torch.tensor([has[image] for image in images]).long()
