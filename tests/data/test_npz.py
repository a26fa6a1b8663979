"""A person's own images and arrays: what is taken, and one clear error for what is not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pushforward.data import DataModule
from pushforward.data.sources import Folder, Npz
from pushforward.errors import PushforwardError


def save(path: Path, mode: str = "L", size: tuple[int, int] = (12, 9), value: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode in ("L", "I;16") else (value,) * len(mode)).save(path)


def test_folder_of_classes_any_sizes(tmp_path: Path) -> None:
    for k in range(6):
        save(tmp_path / "cat" / f"{k}.png", size=(10 + k, 20), value=k)
        save(tmp_path / "dog" / "deeper" / f"{k}.JPG", size=(30, 10 + k), value=200 + k)
    arrays = Folder(str(tmp_path), 8, "auto").load()
    assert arrays.train.x.shape == (12, 1, 8, 8) and arrays.class_names == ("cat", "dog") and arrays.test is None
    assert arrays.train.y is not None and arrays.train.y.tolist() == [0] * 6 + [1] * 6
    x = arrays.train.x.gather(torch.tensor([2, 11]))  # type: ignore[union-attr]
    assert x.dtype == torch.uint8 and x[0].unique().tolist() == [2] and x[1].unique().tolist() == [205]


def test_folder_crops_the_centre_and_keeps_colour(tmp_path: Path) -> None:
    picture = np.zeros((10, 30, 3), dtype=np.uint8)
    picture[:, 10:20] = (255, 128, 0)
    Image.fromarray(picture).save(tmp_path / "a.png")
    x = Folder(str(tmp_path), 10, "auto").load().train.x.gather(torch.tensor([0]))  # type: ignore[union-attr]
    assert x.shape == (1, 3, 10, 10) and [c.unique().tolist() for c in x[0]] == [[255], [128], [0]]


def test_folder_with_its_own_split_and_sixteen_bits(tmp_path: Path) -> None:
    save(tmp_path / "train" / "a.png", "I;16", value=256 * 77)
    save(tmp_path / "test" / "b.png", value=5)
    arrays = Folder(str(tmp_path), 4, "grey").load()
    assert arrays.test is not None and arrays.train.y is None
    assert arrays.train.x.gather(torch.tensor([0])).unique().tolist() == [77]  # type: ignore[union-attr]


def test_folder_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(PushforwardError, match="is not a folder"):
        Folder(str(tmp_path / "none"), 8, "auto").load()
    with pytest.raises(PushforwardError, match="no image in"):
        Folder(str(tmp_path), 8, "auto").load()
    save(tmp_path / "grey.png")
    save(tmp_path / "colour.png", "RGB")
    with pytest.raises(PushforwardError, match=r"grey\.png is grey and .*colour\.png has colour: set source\.mode"):
        Folder(str(tmp_path), 8, "auto").load()
    assert Folder(str(tmp_path), 8, "rgb").load().train.x.shape == (2, 3, 8, 8)
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(PushforwardError, match=r"text\.png cannot be read as an image \(not an image\)"):
        Folder(str(tmp_path), 8, "rgb").load()


@pytest.mark.parametrize("workers", [0, 1])
def test_truncated_image_is_named_in_one_line_by_workers_too(tmp_path: Path, workers: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    for k in range(20):
        Image.fromarray(noise).save(tmp_path / f"{k:02}.png")
    half = tmp_path / "07.png"
    half.write_bytes(half.read_bytes()[:600])
    data = DataModule(Folder(str(tmp_path), 8, "grey"), 4, 0, 0, resident_limit_mb=0, workers=workers)
    with pytest.raises(PushforwardError, match=r"07\.png cannot be read") as error:
        list(data.train_dataloader())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("array", "shape", "levels"),
    [
        (np.zeros((5, 4, 6), np.uint8), (5, 1, 4, 6), 256),
        (np.zeros((5, 4, 6, 3), np.uint8), (5, 3, 4, 6), 256),
        (np.zeros((5, 3, 4, 6), np.int64), (5, 3, 4, 6), 256),
        (np.zeros((5, 4, 6), bool), (5, 1, 4, 6), 2),
        (np.ones((5, 4, 6), np.float64), (5, 1, 4, 6), None),
        (np.full((5, 7), -3.5), (5, 7), None),
    ],
)
def test_npz_shapes(tmp_path: Path, array: np.ndarray, shape: tuple[int, ...], levels: int | None) -> None:
    np.savez(tmp_path / "a.npz", x_train=array, x_test=array[:2], y_train=np.arange(5), y_test=np.arange(2))
    arrays = Npz(str(tmp_path / "a.npz")).load()
    assert arrays.train.x.shape == shape and arrays.levels == levels and arrays.n_classes == 5
    assert arrays.test is not None and len(arrays.test) == 2
    assert arrays.train.x.dtype == (torch.float32 if levels is None else torch.uint8)


IMAGES = np.zeros((5, 4, 4), np.float32)
WRONG = {
    "NaN": ({"x": np.full((5, 4, 4), np.nan)}, "NaN"),
    "range": ({"x": IMAGES + 7}, r"runs from 7 to 7.*\[0, 1\]"),
    "key": ({"images": IMAGES}, "neither x nor x_train"),
    "axes": ({"x": np.zeros((5, 4, 4, 4, 4))}, "shape"),
    "channels": ({"x": np.zeros((5, 4, 4, 2))}, "channels"),
    "labels": ({"x": IMAGES, "y": np.zeros(4, int)}, "labels"),
    "split": ({"x_train": IMAGES, "x_test": np.zeros((5, 3, 3))}, "not like"),
    "text": ({"x": np.full((5, 4, 4), "a")}, "type"),
    "objects": ({"x": np.array([None, 1])}, "cannot be read"),
    "levels": ({"x": np.full((5, 4, 4), 300)}, "source.levels"),
}


def test_every_kind_of_wrong_array_is_tried() -> None:
    assert len(WRONG) == 10


@pytest.mark.parametrize("kind", WRONG)
def test_npz_errors_name_the_file(tmp_path: Path, kind: str) -> None:
    arrays, said = WRONG[kind]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(PushforwardError, match=said) as error:
        Npz(str(tmp_path / "a.npz")).load()
    assert "a.npz" in str(error.value) and "\n" not in str(error.value)


def test_npz_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(PushforwardError, match="does not exist"):
        Npz(str(tmp_path / "b.npz")).load()
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(PushforwardError, match="cannot be read"):
        Npz(str(tmp_path / "b.npz")).load()
