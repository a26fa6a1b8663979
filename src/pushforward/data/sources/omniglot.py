"""Omniglot: handwritten characters of 50 alphabets, 20 drawings of each. Lake, Salakhutdinov & Tenenbaum 2015."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from pushforward.data.sources import images
from pushforward.data.sources.base import Arrays, Decoded, Source, Split
from pushforward.data.sources.download import check_file_md5, kept, obtain
from pushforward.domains import Count


class Drawings(Decoded):
    """Drawings of black ink on white, (n, 1, size, size), as white on black, by their content."""

    def __init__(self, files: list[images.Encoded], size: int) -> None:
        self.files, self.size = files, size
        self.shape = (len(files), 1, size, size)

    def decode(self, i: int) -> Tensor:
        return 255 - images.read(self.files[i], self.size, grey=True)


@dataclass(frozen=True)
class Omniglot(Source):
    """All 32,460 drawings of both published archives, resized to `size`; a class is an alphabet.

    Archives divide alphabets, for learning from one example; densities are of all of them, divided at random, as Burda et
    al. 2016 do.
    """

    size: Count

    name = "omniglot"
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",
        "https://github.com/brendenlake/omniglot/raw/master/python/",
    )
    md5: ClassVar[dict[str, str]] = {
        "images_background.zip": "68d2efa1b9178cc56df9314c21c6e718",
        "images_evaluation.zip": "6b91aef0f799c5bb55b94e3f2daec811",
    }

    def load(self) -> Arrays:
        files = [file for archive in self.md5 for file in obtain(self.name, archive, self.mirrors, self._read)]
        alphabets = [Path(file.name).parts[-3] for file in files]
        names = tuple(sorted(set(alphabets)))
        number = {name: k for k, name in enumerate(names)}
        checksums = "-".join(md5[:8] for md5 in self.md5.values())
        return Arrays(
            train=Split(
                kept(self.name, f"{self.size}-{checksums}", lambda: Drawings(files, self.size)),
                torch.tensor([number[alphabet] for alphabet in alphabets]),
            ),
            test=None,
            levels=256,
            n_classes=len(names),
            class_names=names,
        )

    def _read(self, path: Path, own: bool) -> list[images.Encoded]:
        check_file_md5(path, self.md5[path.name])
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".png"))
            return [images.Encoded(f"{path}/{name}", archive.read(name)) for name in names]
