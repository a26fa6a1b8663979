"""A person's own images: any sizes, grey or colour, cropped and resized to one shape."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from pushforward.data.sources import images
from pushforward.data.sources.base import WORKERS, Arrays, Decoded, Source, Split, check_range
from pushforward.data.sources.folder_layout import Layout, classes, splits
from pushforward.domains import Count, Real
from pushforward.errors import PushforwardError
from pushforward.file_walk import walk

ENDS = 65_536
"""Bytes at both ends of a file by which copies are known."""


class Files(Decoded):
    """Images of files, decoded on demand."""

    def __init__(
        self,
        paths: list[Path],
        size: int,
        grey: bool,
        limits: images.Range | None = None,
        background: images.Background = "white",
    ) -> None:
        self.paths, self.size, self.grey, self.limits, self.background = paths, size, grey, limits, background
        self.shape = (len(paths), 1 if grey else 3, size, size)

    def decode(self, i: int) -> Tensor:
        return images.read(self.paths[i], self.size, self.grey, self.limits, self.background)

    def keys(self) -> Tensor:
        """Equal for files of one size that begin and end alike; nothing is decoded."""

        def key(path: Path) -> int:
            try:
                with path.open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    digest = hashlib.blake2b(size.to_bytes(8) + file.read(ENDS), digest_size=8)
                    file.seek(max(0, size - ENDS))
                    digest.update(file.read(ENDS))
            except OSError as error:
                raise PushforwardError(f"{path} cannot be read ({error.strerror}): replace or remove it.") from error
            return int.from_bytes(digest.digest(), "little", signed=True)

        with ThreadPoolExecutor(WORKERS) as pool:
            return torch.tensor(list(pool.map(key, self.paths)), dtype=torch.int64)


@dataclass(frozen=True)
class Folder(Source):
    """Images under `path`, each cropped to its central square and resized to `size`.

    Folders are classes, and train/ beside val/ or test/ are splits (layout=auto; splits, classes and flat say it).
    mode: grey | rgb converts; auto keeps what all of them have, and refuses a mixture. range: the values that become
    black and white; None: those of the format. background: what alpha is laid over, white or black.
    """

    path: str
    size: Count
    mode: Literal["auto", "grey", "rgb"]
    layout: Layout = "auto"
    range: tuple[Real, ...] | None = None
    background: images.Background = "white"

    name = "folder"

    def load(self) -> Arrays:
        root = Path(self.path).expanduser()
        if not root.is_dir():
            raise PushforwardError(
                f"data.source.path={self.path} is not a folder: give the folder that holds your images."
            )
        self._check()
        every = walk(root)
        paths = [path for path in every if path.suffix.lower() in images.SUFFIXES]
        if not paths:
            raise PushforwardError(
                f"no image in {root} ({' '.join(sorted(images.SUFFIXES))}): give the folder that holds your images."
            )
        parts, outside = splits(root, paths, self.layout)
        named = {split: classes(base, part, self.layout) for split, (base, part) in parts.items()}
        names = tuple(sorted({name for of in named.values() for name in of or ()}))
        taken = [path for _, part in parts.values() for path in part]
        with ThreadPoolExecutor(WORKERS) as pool:  # of all, so that an unreadable file is named before training
            headers = list(pool.map(images.header, taken))
        grey = self._grey(taken, headers)
        number = {name: k for k, name in enumerate(names)}
        limits = None if self.range is None else check_range(self.range)
        cut = {}
        for split, (_, part) in parts.items():
            of = named[split]
            y = None if of is None else torch.tensor([number[label] for label in of])
            cut[split] = Split(Files(part, self.size, grey, limits, self.background), y)
        notes = [
            f"{len(taken)} images of {len(every)} files{left_out(every, outside)}, {sizes(headers)}, their central square "
            f"resized to {self.size}×{self.size}",
            self._look(taken),
        ]
        return Arrays(
            train=cut["train"],
            val=cut.get("val"),
            test=cut.get("test"),
            levels=256,
            n_classes=len(names) or None,
            class_names=names,
            notes=(*notes, *meanings(headers, self.background)),
        )

    def _check(self) -> None:
        for key, value, allowed in (
            ("mode", self.mode, ("auto", "grey", "rgb")),
            ("layout", self.layout, get_args(Layout)),
            ("background", self.background, get_args(images.Background)),
        ):
            if value not in allowed:
                raise PushforwardError(f"data.source.{key}={value} is not known: use {', '.join(allowed)}.")
        if self.size < 1:
            raise PushforwardError(f"data.source.size={self.size} must be at least 1 pixel.")

    def _grey(self, paths: list[Path], headers: list[images.Header]) -> bool:
        if self.mode != "auto":
            return self.mode == "grey"
        grey = [header.grey for header in headers]
        if len(set(grey)) > 1:
            one, other = paths[grey.index(True)], paths[grey.index(False)]
            raise PushforwardError(
                f"{one} is grey and {other} has colour: set data.source.mode=grey or data.source.mode=rgb."
            )
        return grey[0]

    def _look(self, paths: list[Path]) -> str:
        """Says which values the images take, on some of them; raises PushforwardError where they would be black."""
        some = paths[:: -(-len(paths) // images.LOOKED_AT)]
        with ThreadPoolExecutor(WORKERS) as pool:
            found = [e for e in pool.map(images.extent, some) if e is not None]
        said = []
        for whole in sorted({e.whole for e in found}):
            low, high = min(e.low for e in found if e.whole == whole), max(e.high for e in found if e.whole == whole)
            kind = {1.0: "floats", 255.0: "8 bits", 65535.0: "16 bits or more"}[whole]
            said.append(f"{low:g} to {high:g} ({kind})")
            if self.range is not None:
                continue
            if low < 0 or high > whole:
                raise PushforwardError(
                    f"{paths[0].parent}: values run from {low:g} to {high:g}, which is no range of {kind}: set "
                    f"data.source.range=[{low:g},{high:g}], the values that become black and white."
                )
            if 0 < high <= whole * images.DARK:
                raise PushforwardError(
                    f"{paths[0].parent}: the values of {len(some)} images run from {low:g} to {high:g}, where {kind} reach "
                    f"{whole:g}: set data.source.range=[0,{high:g}], or [0,{whole:g}] where they are meant to be so dark."
                )
        values = ", ".join(said) or "of palettes or two"
        range_ = "" if self.range is None else f", of which {self.range[0]:g} is black and {self.range[1]:g} white"
        flat = " (each image constant)" if found and all(e.low == e.high for e in found) else ""
        return f"values {values} in {len(some)} images looked at{range_}{flat}"


def left_out(every: Sequence[Path], outside: Sequence[Path]) -> str:
    """In brackets, what lies in the folder and is not used."""
    others = Counter(p.suffix.lower() or "without suffix" for p in every if p.suffix.lower() not in images.SUFFIXES)
    parts = [f"{suffix} {n}" for suffix, n in others.most_common(5)] + ["…"] * (len(others) > 5)
    parts += [f"{len(outside)} images outside of the splits"] * bool(outside)
    return f" (left out: {', '.join(parts)})" if parts else ""


def sizes(headers: Sequence[images.Header]) -> str:
    found = sorted({(h.width, h.height) for h in headers}, key=lambda wh: (wh[0] * wh[1], wh))
    return " to ".join(f"{w}×{h}" for w, h in dict.fromkeys((found[0], found[-1])))


def meanings(headers: Sequence[images.Header], background: str) -> list[str]:
    """Notes on how alpha, frames and CMYK were read, where there are any."""
    counts = [
        (sum(h.alpha for h in headers), f"with alpha, laid over {background}"),
        (sum(h.frames > 1 for h in headers), "with several frames, of which the first is used"),
        (sum(h.cmyk for h in headers), "in CMYK, converted without a colour profile"),
    ]
    return [f"{n} {'image' if n == 1 else 'images'} {meaning}" for n, meaning in counts if n]
