"""SVHN: house numbers, cropped to one digit each, 32×32 in colour. Netzer et al. 2011."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.data.sources.download import check_file_md5, obtain


@dataclass(frozen=True)
class SVHN(Source):
    """73,257 + 26,032 digits in MATLAB files, where label 10 is the digit 0; extra: 531,131 easier ones to train on, too."""

    extra: bool

    name = "svhn"
    mirrors: ClassVar[tuple[str, ...]] = ("http://ufldl.stanford.edu/housenumbers/",)
    md5: ClassVar[dict[str, str]] = {
        "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
        "extra_32x32.mat": "a93ce644f1a588dc4d68dda5feec44a7",
    }

    def load(self) -> Arrays:
        parts = [self._file("train_32x32.mat"), *([self._file("extra_32x32.mat")] if self.extra else [])]
        x, y = (torch.cat(column) for column in zip(*parts, strict=True))
        return Arrays(
            train=Split(x, y),
            test=Split(*self._file("test_32x32.mat")),
            levels=256,
            n_classes=10,
            class_names=tuple(str(k) for k in range(10)),
        )

    def _file(self, file: str) -> tuple[torch.Tensor, torch.Tensor]:
        def read(path: Path, own: bool) -> tuple[torch.Tensor, torch.Tensor]:
            from scipy.io import loadmat

            check_file_md5(path, self.md5[file])
            content = loadmat(path)
            x = torch.from_numpy(content["X"]).permute(3, 2, 0, 1).contiguous()  # stored as (h, w, c, n)
            return x, torch.from_numpy(content["y"]).flatten().to(torch.int64) % 10

        return obtain(self.name, file, self.mirrors, read)
