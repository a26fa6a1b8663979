"""dSprites: 737,280 binary images, 64×64, of all combinations of five factors. Matthey, Higgins, Hassabis & Lerchner 2017."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.data.sources.download import check_file_md5, kept, obtain
from pushforward.errors import PushforwardError

SHAPES = ("square", "ellipse", "heart")


@dataclass(frozen=True)
class DSprites(Source):
    """The published .npz, its factors in their order: shape, scale, orientation, x, y; colour, which is one, is left out.

    path: a file of that layout; None: the published one.
    """

    path: str | None = None

    name = "dsprites"
    factor_names: ClassVar[tuple[str, ...]] = ("shape", "scale", "orientation", "x", "y")
    file: ClassVar[str] = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
    md5: ClassVar[str] = "7da33b31b13a06f4b04a70402ce90c2e"
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://raw.githubusercontent.com/google-deepmind/dsprites-dataset/master/",
        "https://github.com/deepmind/dsprites-dataset/raw/master/",
    )

    def load(self) -> Arrays:
        if self.path is None:
            return obtain(self.name, self.file, self.mirrors, self._published)
        path = Path(self.path).expanduser()
        try:
            if path.exists() and not path.is_file():  # opening a FIFO waits for ever
                raise ValueError("no file")
            return arrays(path, images_of(path))
        except Exception as error:
            raise PushforwardError(
                f"{path} is not the dSprites file ({error}): correct data.source.path, or set it to null."
            ) from error

    def _published(self, path: Path, own: bool) -> Arrays:
        check_file_md5(path, self.md5)
        return arrays(path, kept(self.name, self.md5[:8], lambda: images_of(path)))


def images_of(path: Path) -> Tensor:
    """Levels 0 and 1, (n, 1, 64, 64), uint8."""
    with np.load(path, allow_pickle=False) as file:
        return torch.from_numpy(file["imgs"]).unsqueeze(1)


def arrays(path: Path, images: Tensor) -> Arrays:
    """The file's data with these images. Of its pickled metadata nothing is read."""
    with np.load(path, allow_pickle=False) as file:
        classes, latents = file["latents_classes"], file["latents_values"]
    factors = torch.from_numpy(np.ascontiguousarray(classes[:, 1:])).to(torch.int64)
    return Arrays(
        train=Split(images, factors[:, 0].clone(), factors),
        test=None,
        levels=2,
        n_classes=len(SHAPES),
        class_names=SHAPES,
        factor_names=DSprites.factor_names,
        factor_values=tuple(tuple(np.unique(latents[:, 1 + f]).tolist()) for f in range(factors.shape[1])),
    )
