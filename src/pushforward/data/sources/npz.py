"""A person's own arrays, from a .npz file."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.domains import Domain
from pushforward.errors import PushforwardError


@dataclass(frozen=True)
class Npz(Source):
    """Arrays `x` or `x_train`, `x_test`, and labels `y` or `y_train`, `y_test`.

    Images are (n, h, w), (n, h, w, c) or (n, c, h, w) with c = 1 or 3: whole numbers from 0 to levels − 1, or floats in
    [0, 1]. Points are (n, d), of any values. levels: how many values a pixel takes; 256 where not given (2 for bool).
    """

    path: str
    levels: Annotated[int, Domain(2)] | None = None

    name = "npz"

    def load(self) -> Arrays:
        path = Path(self.path).expanduser()
        arrays = self._read(path)
        x, test = arrays.get("x_train", arrays.get("x")), arrays.get("x_test")
        if x is None:
            raise PushforwardError(
                f"{path} has {', '.join(arrays) or 'no array'}, but neither x nor x_train: name one so."
            )
        train, levels = self._values(x, path, "x_train" if "x_train" in arrays else "x")
        held, test_levels = self._values(test, path, "x_test") if test is not None else (None, levels)
        if held is not None and (held.shape[1:] != train.shape[1:] or test_levels != levels):
            raise PushforwardError(f"{path}: x_test {tuple(held.shape)} is not like x_train {tuple(train.shape)}.")
        labels = [
            self._labels(arrays.get("y_train", arrays.get("y")), train, path),
            self._labels(arrays.get("y_test"), held, path),
        ]
        known = [y for y in labels if y is not None]
        points = train.ndim == 2
        return Arrays(
            train=Split(train, labels[0]),
            test=Split(held, labels[1]) if held is not None else None,
            levels=levels,
            n_classes=int(max(y.max() for y in known)) + 1 if known else None,
            low=-math.inf if points else 0.0,
            high=math.inf if points else 1.0,
        )

    def _read(self, path: Path) -> dict[str, NDArray]:
        try:
            with np.load(path, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}
        except FileNotFoundError as error:
            raise PushforwardError(f"{path} does not exist: give the .npz file in source.path.") from error
        except Exception as error:
            raise PushforwardError(
                f"{path} cannot be read as .npz ({error}): save it anew with numpy.savez."
            ) from error

    def _values(self, x: NDArray, path: Path, key: str) -> tuple[Tensor, int | None]:
        where = f"{path}: {key}"
        if x.ndim not in (2, 3, 4) or len(x) == 0:
            raise PushforwardError(
                f"{where} has shape {x.shape}: give (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)."
            )
        if x.ndim == 3:
            x = x[:, None]
        elif x.ndim == 4 and x.shape[1] not in (1, 3):
            if x.shape[3] not in (1, 3):
                raise PushforwardError(f"{where} has shape {x.shape}: one axis must be of 1 or 3 channels.")
            x = x.transpose(0, 3, 1, 2)
        if x.dtype.kind == "f":
            if not np.isfinite(x).all():
                raise PushforwardError(f"{where} holds NaN or infinite values: remove or fill those rows.")
            if x.ndim == 4 and (x.min() < 0 or x.max() > 1):
                raise PushforwardError(
                    f"{where} runs from {x.min():g} to {x.max():g}: scale images to [0, 1], or give uint8."
                )
            return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)), None
        if x.ndim == 2:
            return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)), None
        if x.dtype.kind not in "bui":
            raise PushforwardError(f"{where} is of type {x.dtype}: give uint8, or floats in [0, 1].")
        levels = self.levels or (2 if x.dtype.kind == "b" else 256)
        if not 2 <= levels <= 256 or x.min() < 0 or x.max() >= levels:
            raise PushforwardError(
                f"{where} runs from {x.min()} to {x.max()}, not within 0..{levels - 1}: set source.levels."
            )
        return torch.from_numpy(np.ascontiguousarray(x, dtype=np.uint8)), levels

    @staticmethod
    def _labels(y: NDArray | None, x: Tensor | None, path: Path) -> Tensor | None:
        if y is None or x is None:
            return None
        if y.shape != (len(x),) or y.dtype.kind not in "bui" or y.min() < 0:
            raise PushforwardError(
                f"{path}: labels {y.dtype}{y.shape} must be whole numbers from 0, one for each of {len(x)}."
            )
        return torch.from_numpy(y.astype(np.int64))
