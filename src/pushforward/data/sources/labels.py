"""A person's labels: numbers, strings or one-hot rows become classes 0..k − 1."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pushforward.errors import PushforwardError


def numbered(
    raw: Mapping[str, NDArray], sizes: Mapping[str, int], path: object
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Labels by split as numbers of classes, (n,) int64, and the classes' names: their distinct values, sorted.

    raw: by the key that they have in the file. sizes: images of each. Raises PushforwardError naming file and key.
    """
    clean = {key: one_column(y, sizes[key], f"{path}: {key}") for key, y in raw.items()}
    kinds = {y.dtype.kind == "U" for y in clean.values()}
    if len(kinds) > 1:
        raise PushforwardError(
            f"{path}: {' and '.join(clean)} are text in one and numbers in another: give both alike."
        )
    if not clean:
        return {}, ()
    names, place = np.unique(np.concatenate(list(clean.values())), return_inverse=True)
    parts = np.split(place.astype(np.int64), np.cumsum([len(y) for y in clean.values()])[:-1])
    return {key: torch.from_numpy(part) for key, part in zip(clean, parts, strict=True)}, tuple(
        map(str, names.tolist())
    )


def one_column(y: NDArray, n: int, where: str) -> NDArray:
    """Labels as text or as whole numbers from 0, (n,): bytes decoded, whole floats as integers, one-hot rows by place."""
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "replace")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape[:1] != (n,) or y.ndim > 2:
        raise PushforwardError(f"{where} has shape {y.shape}: give one label for each of {n}.")
    if y.dtype.kind not in "buifU":
        raise PushforwardError(f"{where} is of type {y.dtype}: give whole numbers from 0, or text.")
    if y.dtype.kind == "U":
        if y.ndim > 1:
            raise PushforwardError(f"{where} has shape {y.shape}: give one label for each of {n}.")
        return y
    if y.dtype.kind == "f":
        wrong = ~(np.isfinite(y) & (y == np.floor(y)))
        if wrong.any():
            raise PushforwardError(
                f"{where} holds {y[wrong].flat[0]:g}: labels are classes, whole numbers from 0 or text."
            )
    if y.min() < 0:
        raise PushforwardError(f"{where} holds {y.min():g}: number classes from 0, and leave out what has no label.")
    if y.ndim == 2:
        if y.max() > 1 or (y.sum(1) != 1).any():
            raise PushforwardError(
                f"{where} has shape {y.shape}, but its rows are not one-hot: give one label for each of {n}."
            )
        return y.argmax(1)
    return y.astype(np.int64)
