"""A person's own arrays, from a .npz file."""

import math
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pushforward.data.sources.base import Arrays, Source, Split, check_range
from pushforward.data.sources.images import DARK
from pushforward.data.sources.labels import numbered
from pushforward.domains import Domain, Real
from pushforward.errors import PushforwardError

KEYS = {"train": ("x_train", "x"), "val": ("x_val", "x_valid", "x_validation"), "test": ("x_test",)}
"""Names that each split's array may have; y instead of x for its labels."""


@dataclass(frozen=True)
class Npz(Source):
    """Arrays `x` or `x_train`, `x_val`, `x_test`, and labels `y` or `y_train`, `y_val`, `y_test`.

    Images are (n, h, w), (n, h, w, c) or (n, c, h, w) with c = 1 or 3: whole numbers from 0 to levels − 1, or floats in
    [0, 1]. Points are (n, d), of any finite values. levels: how many values a pixel takes, for floats too, which are then
    k or k / (levels − 1). range: the values that become 0 and 1 of images that are real-valued then.
    """

    path: str
    levels: Annotated[int, Domain(2)] | None = None
    range: tuple[Real, ...] | None = None

    name = "npz"

    def load(self) -> Arrays:
        path = Path(self.path).expanduser()
        if self.levels is not None and self.range is not None:
            raise PushforwardError("data.source: give levels or range, not both.")
        limits = None if self.range is None else check_range(self.range)
        found, unused = read(path)
        xs = {key: shaped(x, f"{path}: {key}") for key, x in found.items() if key[0] == "x"}
        whole = next(iter(xs))
        for key, x in xs.items():
            if x.shape[1:] != xs[whole].shape[1:] or (x.dtype.kind == "f") != (xs[whole].dtype.kind == "f"):
                raise PushforwardError(
                    f"{path}: {key} {x.shape} {x.dtype} is not like {whole} {xs[whole].shape} {xs[whole].dtype}."
                )
        points = xs[whole].ndim == 2
        if points and (self.levels is not None or limits):
            raise PushforwardError(f"{path}: {whole} holds points: data.source.levels and range are for images.")
        notes = [self._described(xs, unused)]
        if points:
            levels, values = None, {key: torch.from_numpy(np.array(x, np.float64)) for key, x in xs.items()}
        else:
            levels, values, note = self._pixels(xs, path, limits)
            notes.append(note)
        ys = {key: y for key, y in found.items() if key[0] == "y"}
        labels, names = numbered(ys, {key: len(found["x" + key[1:]]) for key in ys}, path)
        splits = {
            split: Split(values[key], labels.get("y" + key[1:]))
            for split, keys in KEYS.items()
            for key in keys
            if key in values
        }
        return Arrays(
            train=splits["train"],
            val=splits.get("val"),
            test=splits.get("test"),
            levels=levels,
            n_classes=len(names) or None,
            class_names=names,
            low=-math.inf if points else 0.0,
            high=math.inf if points else 1.0,
            notes=tuple(notes),
        )

    def _described(self, xs: dict[str, NDArray], unused: Sequence[str]) -> str:
        arrays = ", ".join(f"{key} {'×'.join(map(str, x.shape))} {x.dtype}" for key, x in xs.items())
        return arrays + (f"; not used: {', '.join(unused)}" if unused else "")

    def _pixels(
        self, xs: dict[str, NDArray], path: Path, limits: tuple[float, float] | None
    ) -> tuple[int | None, dict[str, Tensor], str]:
        """Levels, the values as they are stored, and what was understood. Raises PushforwardError where that is a guess."""
        low, high = float(min(x.min() for x in xs.values())), float(max(x.max() for x in xs.values()))
        kind = next(iter(xs.values())).dtype.kind
        said = f"{path}: {', '.join(xs)} run{'s' * (len(xs) == 1)} from {low:g} to {high:g}"
        if limits:
            if low < limits[0] or high > limits[1]:
                raise PushforwardError(f"{said}, not within data.source.range=[{limits[0]:g},{limits[1]:g}].")
            scale = limits[1] - limits[0]
            values = {key: real((np.asarray(x, np.float64) - limits[0]) / scale) for key, x in xs.items()}
            return None, values, f"values {low:g} to {high:g}, of which {limits[0]:g} is black and {limits[1]:g} white"
        levels = self.levels or (2 if kind == "b" else None)
        whole = kind in "bui" or all((x == np.floor(x)).all() for x in xs.values())
        if levels is None and kind in "ui" and low >= 0 and high <= 255:
            levels = 2 if high == 1 else 256 if high == 0 or high > 255 * DARK else None
        if levels is not None:
            if not 2 <= levels <= 256:
                raise PushforwardError(
                    f"data.source.levels={levels}: give 2 to 256, or data.source.range=[{low:g},{high:g}]."
                )
            if not whole and low >= 0 and high <= 1:
                xs, whole = {key: multiples(x, levels, f"{path}: {key}") for key, x in xs.items()}, True
            elif whole and kind == "f" and high <= 1 < levels - 1 and low >= 0:
                xs = {key: x * (levels - 1) for key, x in xs.items()}
            elif not whole or low < 0 or high > levels - 1:
                raise PushforwardError(
                    f"{said}, not within 0..{levels - 1}: set data.source.levels or data.source.range."
                )
            occur = len(np.unique(np.concatenate([np.unique(x) for x in xs.values()])))
            values = {key: torch.from_numpy(np.ascontiguousarray(x, np.uint8)) for key, x in xs.items()}
            return levels, values, f"values {low:g} to {high:g}: {occur} of {levels} levels occur"
        if kind == "f" and low >= 0 and high <= 1 and (high > DARK or high == 0):
            return None, {key: real(x) for key, x in xs.items()}, f"values {low:g} to {high:g}: real-valued, no levels"
        remedy = f"set data.source.range=[{low:g},{high:g}], the values that become black and white"
        if whole and low >= 0 and high <= 255:
            remedy = f"set data.source.levels={int(high) + 1}, or 256 where images are meant to be so dark"
        elif low >= 0 and high <= 1:
            remedy += ", or [0,1] where images are meant to be so dark"
        raise PushforwardError(f"{said}: {remedy}.")


def read(path: Path) -> tuple[dict[str, NDArray], list[str]]:
    """Each split's arrays by their key in the file, x before y, and the keys that were not used."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PushforwardError(f"{path} is no file: give the .npz file in data.source.path.")
        opened = np.load(path, allow_pickle=False)
        if not isinstance(opened, np.lib.npyio.NpzFile):
            raise PushforwardError(f"{path} is a single array: save it with numpy.savez(FILE, x=array).")
        with opened as file:
            keys = chosen(list(file.files), path)
            return {key: file[key] for key in keys}, [key for key in file.files if key not in keys]
    except FileNotFoundError as error:
        raise PushforwardError(f"{path} does not exist: give the .npz file in data.source.path.") from error
    except PushforwardError:
        raise
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        if "allow_pickle" in why:
            why = "it holds Python objects, such as text and numbers in one array"
        raise PushforwardError(f"{path} cannot be read as .npz ({why}): save it anew with numpy.savez.") from error


def chosen(keys: list[str], path: Path) -> list[str]:
    """Of a file's keys those of the splits, x before y. Raises PushforwardError where one is missing or there twice."""
    found = []
    for letter in "xy":
        for split, names in KEYS.items():
            own = [key for name in names if (key := letter + name[1:]) in keys]
            if len(own) > 1:
                raise PushforwardError(f"{path} has {' and '.join(own)}, which both are {split}: keep one.")
            if split == "train" and letter == "x" and not own:
                raise PushforwardError(
                    f"{path} has {', '.join(keys) or 'no array'}, but neither x nor x_train: name one so."
                )
            if letter == "y" and own and "x" + own[0][1:] not in found:
                raise PushforwardError(f"{path} has {own[0]}, but no x{own[0][1:]} that it labels: name them alike.")
            found += own
    return found


def shaped(x: NDArray, where: str) -> NDArray:
    """Finite numbers as (n, c, h, w) or (n, d)."""
    if x.ndim not in (2, 3, 4) or x.size == 0:
        raise PushforwardError(f"{where} has shape {x.shape}: give (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d).")
    if x.dtype.kind not in "buif":
        raise PushforwardError(f"{where} is of type {x.dtype}: give uint8, or floats in [0, 1].")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        rows = len(x) - int(np.isfinite(x.reshape(len(x), -1)).all(1).sum())
        raise PushforwardError(f"{where} holds NaN or infinite values in {rows} of {len(x)} rows: remove or fill them.")
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[1] not in (1, 3):
        if x.shape[3] not in (1, 3):
            raise PushforwardError(f"{where} has shape {x.shape}: one axis must be of 1 or 3 channels.")
        x = x.transpose(0, 3, 1, 2)
    return x


def multiples(x: NDArray, levels: int, where: str) -> NDArray:
    """Floats k / (levels − 1) as k. Raises PushforwardError where they are others."""
    scaled = np.asarray(x, np.float64) * (levels - 1)
    nearest = np.rint(scaled)
    off = np.abs(scaled - nearest) > 0.01
    if off.any():
        raise PushforwardError(
            f"{where} holds {x[off].flat[0]:g}, which is no multiple of 1/{levels - 1}: correct data.source.levels={levels}, "
            f"or leave it null for real-valued images."
        )
    return nearest


def real(x: NDArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
