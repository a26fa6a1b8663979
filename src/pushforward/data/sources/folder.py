"""A person's own images: any sizes, grey or colour, cropped and resized to one shape."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pushforward.data.sources.base import Arrays, Lazy, Source, Split
from pushforward.domains import Count
from pushforward.errors import PushforwardError
from pushforward.machine import cores

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"))
GREY_MODES = frozenset(("1", "L", "LA", "I", "I;16", "I;16B", "F"))
WORKERS = min(8, cores())


def is_grey(path: Path) -> bool:
    """Whether the image has one channel, from its header alone."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.mode in GREY_MODES
    except Exception as error:
        raise _unreadable(path, error) from error


def read(path: Path, size: int, grey: bool) -> Tensor:
    """The image as uint8 (c, size, size): upright, the largest central square, resized with an antialiasing filter."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits: Pillow would clip them at 255
                upright = Image.fromarray((np.asarray(upright).astype(np.uint32) >> 8).astype(np.uint8))
            converted = upright.convert("L" if grey else "RGB")
            square = ImageOps.fit(converted, (size, size), method=Image.Resampling.LANCZOS)
    except Exception as error:
        raise _unreadable(path, error) from error
    pixels = torch.from_numpy(np.asarray(square).copy())
    return pixels.unsqueeze(0) if grey else pixels.permute(2, 0, 1)


def _unreadable(path: Path, error: Exception) -> PushforwardError:
    cause = (
        "not an image" if "cannot identify" in str(error) else (str(error).splitlines() or [type(error).__name__])[0]
    )
    return PushforwardError(f"{path} cannot be read as an image ({cause}): replace or remove it.")


class Files(Lazy):
    """Images of files, decoded when asked for."""

    def __init__(self, paths: list[Path], size: int, grey: bool) -> None:
        self.paths, self.size, self.grey = paths, size, grey
        self.shape = (len(paths), 1 if grey else 3, size, size)

    def gather(self, index: Tensor) -> Tensor:
        wanted = [self.paths[i] for i in index.tolist()]
        if not wanted:
            return torch.empty(0, *self.shape[1:], dtype=torch.uint8)
        with ThreadPoolExecutor(WORKERS) as pool:  # Pillow decodes without holding the interpreter's lock
            return torch.stack(list(pool.map(lambda path: read(path, self.size, self.grey), wanted)))


@dataclass(frozen=True)
class Folder(Source):
    """Images under `path`, each cropped to its central square and resized to `size`.

    Subfolders are classes, where no image lies beside them; `train/` and `test/` subfolders are their own split.
    mode: grey | rgb converts; auto keeps what all of them have, and refuses a mixture.
    """

    path: str
    size: Count
    mode: Literal["auto", "grey", "rgb"]

    name = "folder"

    def load(self) -> Arrays:
        root = Path(self.path).expanduser()
        if not root.is_dir():
            raise PushforwardError(f"source.path={self.path} is not a folder: give the folder that holds your images.")
        if self.mode not in ("auto", "grey", "rgb"):
            raise PushforwardError(f"source.mode={self.mode} is not known: use auto, grey or rgb.")
        if self.size < 1:
            raise PushforwardError(f"source.size={self.size} must be at least 1 pixel.")
        given = (root / "train").is_dir() and (root / "test").is_dir()
        roots = [root / "train", root / "test"] if given else [root]
        files = [_images(part) for part in roots]
        names = _classes(roots, files)
        grey = self._grey([path for part in files for path in part])
        splits = [
            Split(Files(part, self.size, grey), _labels(base, part, names) if names else None)
            for base, part in zip(roots, files, strict=True)
        ]
        return Arrays(
            train=splits[0],
            test=splits[1] if given else None,
            levels=256,
            n_classes=len(names) or None,
            class_names=names,
        )

    def _grey(self, paths: list[Path]) -> bool:
        with ThreadPoolExecutor(WORKERS) as pool:  # headers of all, so that an unreadable file is named before training
            grey = list(pool.map(is_grey, paths))
        if self.mode != "auto":
            return self.mode == "grey"
        if len(set(grey)) > 1:
            one, other = paths[grey.index(True)], paths[grey.index(False)]
            raise PushforwardError(f"{one} is grey and {other} has colour: set source.mode=grey or source.mode=rgb.")
        return grey[0]


def _images(root: Path) -> list[Path]:
    found = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not found:
        raise PushforwardError(
            f"no image in {root} ({' '.join(sorted(SUFFIXES))}): give the folder that holds your images."
        )
    return found


def _classes(roots: list[Path], files: list[list[Path]]) -> tuple[str, ...]:
    relative = [p.relative_to(root) for root, part in zip(roots, files, strict=True) for p in part]
    return () if any(len(p.parts) == 1 for p in relative) else tuple(sorted({p.parts[0] for p in relative}))


def _labels(root: Path, paths: Iterable[Path], names: tuple[str, ...]) -> Tensor:
    number = {name: k for k, name in enumerate(names)}
    return torch.tensor([number[p.relative_to(root).parts[0]] for p in paths])
