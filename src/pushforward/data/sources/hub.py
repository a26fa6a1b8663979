"""Data sets of images of the Hugging Face hub, or of folders in its formats. Lhoest et al. 2021 (datasets)."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from pushforward.data.sources import images
from pushforward.data.sources.base import Arrays, Decoded, Source, Split
from pushforward.data.sources.labels import numbered
from pushforward.domains import Count
from pushforward.errors import PushforwardError

SPLITS = {
    "train": ("train", "training"),
    "val": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing", "eval"),
}
"""Names of each split on the hub."""
HASHED_MB = 2000
"""A larger split's images are not compared with each other: reading them all takes minutes."""


class Rows(Decoded):
    """Images of a column of a data set, decoded on demand."""

    def __init__(self, rows: Any, column: str, size: int, grey: bool, where: str) -> None:
        self.rows, self.column, self.size, self.grey, self.where = rows, column, size, grey, where
        self.shape = (len(rows), 1 if grey else 3, size, size)

    def decode(self, i: int) -> Tensor:
        return images.read(encoded(self.rows[i][self.column], f"{self.where}, row {i}"), self.size, self.grey)

    def keys(self) -> Tensor | None:
        if self.rows.data.nbytes > HASHED_MB * 1e6:
            return None
        found = []
        for i, row in enumerate(self.rows):
            file = encoded(row[self.column], f"{self.where}, row {i}")
            content = file.read_bytes() if isinstance(file, Path) else file.content
            digest = hashlib.blake2b(content, digest_size=8).digest()
            found.append(int.from_bytes(digest, "little", signed=True))
        return torch.tensor(found, dtype=torch.int64)


def encoded(image: dict[str, Any] | None, where: str) -> Path | images.Encoded:
    """An image as a column keeps it: its content, or the path of its file. Raises PushforwardError where there is none."""
    if image is None or (image["bytes"] is None and image["path"] is None):
        raise PushforwardError(f"{where} has no image: leave it out of the data set.")
    return Path(image["path"]) if image["bytes"] is None else images.Encoded(where, image["bytes"])


@dataclass(frozen=True)
class Hub(Source):
    """A data set by its name on the hub, or the one in a folder.

    config: of those that have several. revision: a commit, tag or branch. image, label: columns; None: the only ones that
    are declared as images and as classes. size, mode: as of `Folder`.
    """

    name: str
    config: str | None
    revision: str | None
    path: str | None
    image: str | None
    label: str | None
    size: Count
    mode: Literal["auto", "grey", "rgb"]

    def load(self) -> Arrays:
        parts, left = self._splits()
        first = parts["train"]
        image, label = self._image(first.features), self._label(first.features)
        files = {split: rows.cast_column(image, undecoded()) for split, rows in parts.items()}
        looked = looked_at(files.values(), image, self._where)
        grey = self._grey([header.grey for header in looked])
        y, names = self._labels(parts, label)
        cut = {
            split: Split(Rows(rows, image, self.size, grey, f"{self._where}, {split}"), y.get(split))
            for split, rows in files.items()
        }
        dims = sorted({(header.width, header.height) for header in looked})
        others = f"; left out: splits {', '.join(left)}" if left else ""
        return Arrays(
            train=cut["train"],
            val=cut.get("val"),
            test=cut.get("test"),
            levels=256,
            n_classes=len(names) or None,
            class_names=names,
            notes=(
                f"{', '.join(f'{len(rows):,} {split}' for split, rows in parts.items())} images of column {image}{others}",
                f"{dims[0][0]}×{dims[0][1]} to {dims[-1][0]}×{dims[-1][1]} in {len(looked)} images looked at, their central "
                f"square resized to {self.size}×{self.size}",
            ),
        )

    @property
    def _where(self) -> str:
        return self.path or self.name

    def _splits(self) -> tuple[dict[str, Any], list[str]]:
        """The rows of each split, and the names of those that are none."""
        found = opened(self.name, self.config, self.revision, self.path)
        if len(found) == 1:
            return {"train": next(iter(found.values()))}, []
        parts = {}
        for split, names in SPLITS.items():
            if own := [name for name in names if name in found]:
                parts[split] = found[own[0]]
        if "train" not in parts:
            raise PushforwardError(
                f"{self._where} has the splits {', '.join(found)}, but none to train on: rename one."
            )
        return parts, [name for name in found if not any(name in names for names in SPLITS.values())]

    def _image(self, features: Any) -> str:
        from datasets import Image

        found = [name for name, feature in features.items() if isinstance(feature, Image)]
        if self.image is not None:
            found = [name for name in found if name == self.image]
        if len(found) != 1:
            known = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in features.items())
            raise PushforwardError(f"{self._where} has the columns {known}: name one of images in data.source.image.")
        return found[0]

    def _label(self, features: Any) -> str | None:
        from datasets import ClassLabel

        if self.label is not None:
            if self.label not in features:
                known = ", ".join(features)
                raise PushforwardError(
                    f"{self._where} has no column {self.label}: data.source.label is one of {known}."
                )
            return self.label
        found = [name for name, feature in features.items() if isinstance(feature, ClassLabel)]
        return found[0] if len(found) == 1 else None

    def _labels(self, parts: dict[str, Any], label: str | None) -> tuple[dict[str, Tensor], tuple[str, ...]]:
        """Labels by split, and the classes' names. Below 0, as in test splits that withhold them, there are none."""
        from datasets import ClassLabel

        if label is None:
            return {}, ()
        raw = {
            split: np.asarray(rows.with_format(None)[label][:])
            for split, rows in parts.items()
            if label in rows.features
        }
        raw = {split: y for split, y in raw.items() if y.dtype.kind in "US" or bool((y >= 0).all())}
        feature = parts["train"].features[label]
        if isinstance(feature, ClassLabel):
            return {split: torch.from_numpy(y.astype(np.int64)) for split, y in raw.items()}, tuple(feature.names)
        return numbered(raw, {split: len(parts[split]) for split in raw}, f"{self._where}, column {label}")

    def _grey(self, grey: list[bool]) -> bool:
        if self.mode != "auto":
            return self.mode == "grey"
        if len(set(grey)) > 1:
            raise PushforwardError(
                f"{self._where} has grey images and such with colour: set data.source.mode=grey or data.source.mode=rgb."
            )
        return grey[0]


def opened(name: str, config: str | None, revision: str | None, path: str | None) -> dict[str, Any]:
    """The data set's splits by name. Raises PushforwardError where it or the package that reads it is not there."""
    try:
        from datasets import DatasetDict, load_dataset, load_from_disk
    except ImportError as error:
        raise PushforwardError(
            f"data=hub needs the package datasets ({error}): pip install 'pushforward[hub]'."
        ) from None
    if path is None and name == "local":
        raise PushforwardError("data=hub: give data.source.name=NAME of the hub, or data.source.path=FOLDER.")
    folder = None if path is None else Path(path).expanduser()
    try:
        if folder is not None and any((folder / file).is_file() for file in ("dataset_dict.json", "state.json")):
            found = load_from_disk(str(folder))
        else:
            found = load_dataset(name if folder is None else str(folder), config, revision=revision)
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        remedy = (
            "correct data.source.path" if path else "correct its name, config or revision, or connect to the network"
        )
        raise PushforwardError(f"{path or name} cannot be loaded as a data set ({why}): {remedy}.") from error
    return dict(found) if isinstance(found, DatasetDict) else {"train": found}


def undecoded() -> Any:
    from datasets import Image

    return Image(decode=False)


def looked_at(parts: Iterable[Any], column: str, where: str) -> list[images.Header]:
    """Headers of some images of each split."""
    found = []
    for rows in parts:
        for i in range(0, len(rows), -(-len(rows) // images.LOOKED_AT) or 1):
            found.append(images.header(encoded(rows[i][column], f"{where}, row {i}")))
    if not found:
        raise PushforwardError(f"{where} has no rows.")
    return found
