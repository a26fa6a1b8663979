"""A person's own arrays: what is taken, how it is understood, and one clear error for what is not."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.data import DataModule
from pushforward.data.sources import Npz
from pushforward.errors import PushforwardError


def load(path: Path, options: dict[str, Any] | None = None, **arrays: Any) -> Any:
    np.savez(path / "a.npz", **arrays)
    return Npz(str(path / "a.npz"), **(options or {})).load()


@pytest.mark.parametrize(
    ("array", "shape", "levels"),
    [
        (np.zeros((5, 4, 6), np.uint8), (5, 1, 4, 6), 256),
        (np.zeros((5, 4, 6, 3), np.uint8), (5, 3, 4, 6), 256),
        (np.zeros((5, 3, 4, 6), np.int64), (5, 3, 4, 6), 256),
        (np.zeros((5, 4, 6), bool), (5, 1, 4, 6), 2),
        (np.ones((5, 4, 6), np.float64), (5, 1, 4, 6), None),
        (np.full((5, 7), -3.5), (5, 7), None),
        (np.zeros((5, 7), int), (5, 7), None),
        (np.zeros((5, 4, 6), ">f2"), (5, 1, 4, 6), None),
    ],
)
def test_npz_shapes(tmp_path: Path, array: np.ndarray, shape: tuple[int, ...], levels: int | None) -> None:
    np.savez(tmp_path / "a.npz", x_train=array, x_test=array[:2], y_train=np.arange(5), y_test=np.arange(2))
    arrays = Npz(str(tmp_path / "a.npz")).load()
    assert arrays.train.x.shape == shape and arrays.levels == levels and arrays.n_classes == 5
    assert arrays.test is not None and len(arrays.test) == 2
    kept = torch.uint8 if levels else torch.float64 if len(shape) == 2 else torch.float32  # points until standardised
    assert arrays.train.x.dtype == kept


RAMP = np.linspace(0, 1, 5 * 4 * 4).reshape(5, 4, 4)
GREY = (255 * RAMP).astype(np.uint8)
DIGITS = np.rint(16 * RAMP)
UNDERSTOOD: dict[str, tuple[Any, dict[str, Any], int | None, float]] = {
    "8 bits": (GREY, {}, 256, 255),
    "8 bits as whole floats": (GREY.astype(float), {"levels": 256}, 256, 255),
    "8 bits as floats in [0, 1]": (GREY / 255, {"levels": 256}, 256, 255),
    "real values": (RAMP, {}, None, 1),
    "a mask": ((RAMP > 0.5).astype(np.uint8), {}, 2, 1),
    "a mask, meant to be dark": ((RAMP > 0.5).astype(np.uint8), {"levels": 256}, 256, 1),
    "a mask of truth values": (RAMP > 0.5, {}, 2, 1),
    "a mask of floats": ((RAMP > 0.5).astype(float), {}, None, 1),
    "a mask of floats with levels": ((RAMP > 0.5).astype(float), {"levels": 2}, 2, 1),
    "black and white floats": ((RAMP > 0.5).astype(float), {"levels": 256}, 256, 255),
    "digits": (DIGITS.astype(np.int16), {"levels": 17}, 17, 16),
    "digits as floats": (DIGITS, {"levels": 17}, 17, 16),
    "digits as floats in [0, 1]": (DIGITS / 16, {"levels": 17}, 17, 16),
    "minus one to one": (2 * RAMP - 1, {"range": [-1, 1]}, None, 1),
    "16 bits": ((65535 * RAMP).astype(np.uint16), {"range": [0, 65535]}, None, 1),
    "negative whole numbers": ((256 * RAMP).astype(int) - 128, {"range": [-128, 128]}, None, 1),
    "dark floats": (RAMP / 100, {"range": [0, 0.01]}, None, 1),
    "dark floats, as they are": (RAMP / 100, {"range": [0, 1]}, None, 0.01),
    "black": (np.zeros((5, 4, 4), np.uint8), {}, 256, 0),
}


def test_every_kind_of_value_is_tried() -> None:
    assert len(UNDERSTOOD) == 19 and len(WRONG) == 34


@pytest.mark.parametrize("kind", UNDERSTOOD)
def test_values_are_looked_at(tmp_path: Path, kind: str) -> None:
    x, options, levels, high = UNDERSTOOD[kind]
    arrays = load(tmp_path, options, x=x)
    assert arrays.levels == levels and float(arrays.train.x.max()) == pytest.approx(high, rel=1e-3)
    assert float(arrays.train.x.min()) == 0 and "values" in arrays.notes[1]


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "NaN": ({"x": np.full((5, 4, 4), np.nan)}, {}, "NaN or infinite values in 5 of 5 rows"),
    "infinite points": ({"x": np.array([[1.0, 2], [math.inf, 0]])}, {}, "infinite values in 1 of 2 rows"),
    "range": ({"x": RAMP + 7}, {}, r"runs from 7 to 8.*data\.source\.range=\[7,8\]"),
    "minus one to one": ({"x": 2 * RAMP - 1}, {}, r"data\.source\.range=\[-1,1\]"),
    "dark floats": ({"x": RAMP / 100}, {}, r"range=\[0,0\.01\].*or \[0,1\]"),
    "digits": ({"x": DIGITS.astype(np.uint8)}, {}, r"from 0 to 16: set data\.source\.levels=17, or 256"),
    "digits as floats": ({"x": DIGITS}, {}, r"data\.source\.levels=17"),
    "whole floats": ({"x": GREY.astype(float)}, {}, r"data\.source\.levels=256"),
    "16 bits": ({"x": (65535 * RAMP).astype(np.uint16)}, {}, r"data\.source\.range=\[0,65535\]"),
    "negative": ({"x": GREY.astype(int) - 128}, {}, r"data\.source\.range=\[-128,127\]"),
    "too few levels": ({"x": GREY}, {"levels": 17}, r"not within 0\.\.16"),
    "levels of no such floats": ({"x": RAMP}, {"levels": 17}, "no multiple of 1/16"),
    "levels of negative floats": ({"x": 2 * RAMP - 1}, {"levels": 256}, r"not within 0\.\.255"),
    "too many levels": ({"x": GREY}, {"levels": 1000}, "give 2 to 256"),
    "levels and range": ({"x": GREY}, {"levels": 256, "range": [0, 255]}, "not both"),
    "levels of points": ({"x": RAMP[0]}, {"levels": 256}, "are for images"),
    "outside of range": ({"x": GREY}, {"range": [0, 100]}, r"not within data\.source\.range"),
    "range upside down": ({"x": GREY}, {"range": [1, 0]}, "two numbers, black and white"),
    "key": ({"images": RAMP}, {}, "neither x nor x_train"),
    "two keys": ({"x": RAMP, "x_train": RAMP}, {}, "both are train"),
    "axes": ({"x": np.zeros((5, 4, 4, 4, 4))}, {}, "shape"),
    "nothing": ({"x": np.zeros((0, 4, 4))}, {}, "shape"),
    "channels": ({"x": np.zeros((5, 4, 4, 2))}, {}, "channels"),
    "split": ({"x_train": RAMP, "x_test": np.zeros((5, 3, 3))}, {}, "not like"),
    "text": ({"x": np.full((5, 4, 4), "a")}, {}, "type"),
    "objects": ({"x": np.array([None, 1])}, {}, "cannot be read.*Python objects"),
    "too few labels": ({"x": RAMP, "y": np.zeros(4, int)}, {}, "one label for each of 5"),
    "labels of nothing": ({"x_train": RAMP, "y_test": np.zeros(5, int)}, {}, "y_test, but no x_test"),
    "quantities": ({"x": RAMP, "y": np.full(5, 0.37)}, {}, r"holds 0\.37: labels are classes"),
    "NaN label": ({"x": RAMP, "y": np.array([0, 1, np.nan, 1, 0])}, {}, "holds nan: labels are classes"),
    "negative label": ({"x": RAMP, "y": np.array([0, 1, -1, 1, 0])}, {}, "holds -1: number classes from 0"),
    "rows of labels": ({"x": RAMP, "y": np.ones((5, 3), int)}, {}, "not one-hot"),
    "mixed labels": ({"x": RAMP, "y": np.array(["a", 1, 2, 3, 4], object)}, {}, "Python objects"),
    "unlike labels": (
        {"x_train": RAMP, "x_test": RAMP, "y_train": np.full(5, "a"), "y_test": np.zeros(5, int)}, {}, "both alike",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_errors_name_the_file_and_the_remedy(tmp_path: Path, kind: str) -> None:
    arrays, options, said = WRONG[kind]
    with pytest.raises(PushforwardError, match=said) as error:
        load(tmp_path, options, **arrays)
    assert "\n" not in str(error.value) and ("a.npz" in str(error.value) or "data.source" in str(error.value))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(PushforwardError, match="does not exist"):
        Npz(str(tmp_path / "b.npz")).load()
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(PushforwardError, match="cannot be read"):
        Npz(str(tmp_path / "b.npz")).load()
    np.save(tmp_path / "c.npy", GREY)
    with pytest.raises(PushforwardError, match=r"single array: save it with numpy\.savez"):
        Npz(str(tmp_path / "c.npy")).load()
    os.mkfifo(tmp_path / "d.npz")
    for path in (tmp_path / "d.npz", tmp_path):
        with pytest.raises(PushforwardError, match="is no file"):
            Npz(str(path)).load()


@pytest.mark.parametrize(
    ("y", "names", "numbers"),
    [
        (np.array([2, 0, 1, 0, 2]), ("0", "1", "2"), [2, 0, 1, 0, 2]),
        (np.array([1.0, 0, 1, 0, 1]), ("0", "1"), [1, 0, 1, 0, 1]),
        (np.array([True, False, True, False, True]), ("0", "1"), [1, 0, 1, 0, 1]),
        (np.array([[3], [3], [5], [5], [3]]), ("3", "5"), [0, 0, 1, 1, 0]),
        (np.array(["cat", "dog", "cat", "ant", "dog"]), ("ant", "cat", "dog"), [1, 2, 1, 0, 2]),
        (np.array([b"cat", b"dog", b"cat", b"dog", b"dog"]), ("cat", "dog"), [0, 1, 0, 1, 1]),
        (np.eye(3)[[2, 0, 1, 0, 2]], ("0", "1", "2"), [2, 0, 1, 0, 2]),
        (np.array([9_000_000_000, 7, 9_000_000_000, 7, 7]), ("7", "9000000000"), [1, 0, 1, 0, 0]),
        (np.full(5, 4), ("4",), [0] * 5),
    ],
)
def test_labels_become_classes(tmp_path: Path, y: np.ndarray, names: tuple[str, ...], numbers: list[int]) -> None:
    arrays = load(tmp_path, x=GREY, y=y)
    assert arrays.class_names == names and arrays.n_classes == len(names) and arrays.train.y.tolist() == numbers


def test_what_was_understood_is_said(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, x_val=x[:4], x_test=x[:3], y_train=np.arange(20) % 2, notes=np.zeros(3))
    data = DataModule(Npz(str(tmp_path / "a.npz")), 4, 0.1)
    assert data.card["splits"] == {"train": 20, "val": 4, "test": 3}
    assert data.notes == [
        "x_train 20×1×4×4 uint8, x_val 4×1×4×4 uint8, x_test 3×1×4×4 uint8; not used: notes",
        f"values {x.min()} to {x.max()}: {len(np.unique(x))} of 256 levels occur",
        "2 classes: 0 10, 1 10; no labels in val, test",
        "4 of 4 val images stand in the training split too",
        "3 of 3 test images stand in the training split too",
    ]


def test_points_are_standardised_and_come_back(tmp_path: Path) -> None:
    """Mean 0 and deviation 1 of the training points, in float64 until then: seconds since 1970 keep their milliseconds."""
    g = np.random.default_rng(0)
    x = np.stack([1.7e9 + g.normal(size=200), 1e-3 * g.normal(size=200), np.full(200, 5.0)], 1)
    np.savez(tmp_path / "a.npz", x=x)
    data = DataModule(Npz(str(tmp_path / "a.npz")), 16, 20, 20, standardize=True)
    train, spec = data.tensor("train"), data.spec
    assert train.dtype == torch.float32 and torch.allclose(train.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(train.std(0, correction=0), torch.tensor([1.0, 1, 0]), atol=1e-5)
    rows = torch.from_numpy(x)[data._index["test"]]
    assert torch.equal(spec.standardized(rows), data.tensor("test"))
    assert spec.log_scale == pytest.approx(math.log(1e-3), abs=0.2) and data.card["standardized"]
    assert (spec.original(data.tensor("test")) - rows).abs().max() < 1e-6
    assert "1 of 3 dimensions do not vary, where a density has no bound" in data.notes
    stream = next(iter(data.train_dataloader()))
    assert stream.batch.x.dtype == torch.float32 and float(stream.batch.x.abs().max()) < 6
    assert not DataModule(Npz(str(tmp_path / "a.npz")), 16, 20, 20).spec.scale
    np.savez(tmp_path / "b.npz", x=np.full((100, 2), 1e300) * g.normal(size=(100, 2)))
    with pytest.raises(PushforwardError, match="too large to take their mean"):
        DataModule(Npz(str(tmp_path / "b.npz")), 16, 20, 20, standardize=True).setup()
