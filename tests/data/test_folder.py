"""A person's own images: layouts and values as they were meant, and one clear error for what is not clear."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pushforward.data import DataModule
from pushforward.data.sources import Folder
from pushforward.data.sources.base import Arrays, Split
from pushforward.errors import PushforwardError

RAMP = np.linspace(0, 1, 64).reshape(8, 8)


def save(path: Path, mode: str = "L", size: tuple[int, int] = (12, 9), value: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode in ("L", "I;16") else (value,) * len(mode)).save(path)


def pixels(split: Split | None) -> torch.Tensor:
    assert split is not None
    return split.x.gather(torch.arange(len(split)))  # type: ignore[union-attr]


def load(path: Path, size: int = 8, mode: Any = "auto", **options: Any) -> Arrays:
    return Folder(str(path), size, mode, **options).load()


# Layouts --------------------------------------------------------------------------------------------------------------


def test_classes_of_any_sizes(tmp_path: Path) -> None:
    for k in range(6):
        save(tmp_path / "cat" / f"{k}.png", size=(10 + k, 20), value=k)
        save(tmp_path / "dog" / "deeper" / f"{k}.JPG", size=(30, 10 + k), value=200 + k)
    save(tmp_path / ".hidden" / "a.png")
    save(tmp_path / "cat" / "._0.png")
    (tmp_path / "cat" / "notes.txt").write_text("mine")
    arrays = load(tmp_path)
    assert arrays.train.x.shape == (12, 1, 8, 8) and arrays.class_names == ("cat", "dog") and arrays.test is None
    assert arrays.train.y is not None and arrays.train.y.tolist() == [0] * 6 + [1] * 6
    x = pixels(arrays.train)
    assert x.dtype == torch.uint8 and x[2].unique().tolist() == [2] and x[11].unique().tolist() == [205]
    assert arrays.notes == (
        "12 images of 13 files (left out: .txt 1), 10×20 to 30×15, their central square resized to 8×8",
        "values 0 to 205 (8 bits) in 12 images looked at (each image constant)",
    )


def test_the_centre_is_cropped_and_colour_kept(tmp_path: Path) -> None:
    picture = np.zeros((10, 30, 3), dtype=np.uint8)
    picture[:, 10:20] = (255, 128, 0)
    Image.fromarray(picture).save(tmp_path / "a.png")
    x = pixels(load(tmp_path, 10).train)
    assert x.shape == (1, 3, 10, 10) and [c.unique().tolist() for c in x[0]] == [[255], [128], [0]]


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "validation", "testing"), ("train", "dev", "eval")]
)
def test_splits_are_used_and_nothing_vanishes(tmp_path: Path, names: tuple[str, ...]) -> None:
    for folder, n in zip(names, (30, 5, 7), strict=True):
        for k in range(n):
            save(tmp_path / folder / ("cat" if k % 2 else "dog") / f"{k}.png", value=80 + 2 * k + len(folder))
    data = DataModule(Folder(str(tmp_path), 8, "auto"), 8, 0.5, 0.5)
    assert data.card["splits"] == {"train": 30, "val": 5, "test": 7}
    assert data.arrays.class_names == ("cat", "dog")
    assert "2 classes: cat 15, dog 15" in data.notes and data.spec.n_train == 30
    assert len(data.tensor("val")) == 5 and len(data.labels("val")) == 5  # type: ignore[arg-type]


def folders(root: Path, *names: str) -> None:
    for k, name in enumerate(names):
        save(root / name / f"{k}.png")
        save(root / name / f"{k}-b.png")


@pytest.mark.parametrize(
    ("there", "layout", "splits", "classes"),
    [
        (("train", "val"), "auto", (2, 2, None), ()),
        (("train",), "auto", (2, None, None), ()),
        (("images",), "auto", (2, None, None), ()),
        (("images",), "classes", (2, None, None), ("images",)),
        (("train", "plane", "boat"), "auto", (6, None, None), ("boat", "plane", "train")),
        (("train", "test", "boat"), "splits", (2, None, 2), ()),
        (("train", "test", "boat"), "classes", (6, None, None), ("boat", "test", "train")),
        (("train", "test", "boat"), "flat", (6, None, None), ()),
        (("train/cat", "train/dog", "test/dog", "test/cat"), "auto", (4, None, 4), ("cat", "dog")),
        (("train/cat", "train/dog", "test"), "auto", (4, None, 2), ("cat", "dog")),
        ((".", "cat"), "flat", (4, None, None), ()),
    ],
)
def test_folders_are_splits_or_classes(
    tmp_path: Path, there: tuple[str, ...], layout: Any, splits: tuple[Any, ...], classes: tuple[str, ...]
) -> None:
    folders(tmp_path, *there)
    arrays = load(tmp_path, layout=layout)
    assert tuple(s and len(s) for s in (arrays.train, arrays.val, arrays.test)) == splits
    assert arrays.class_names == classes and (arrays.train.y is None) == (not classes)


@pytest.mark.parametrize(
    ("there", "layout", "said"),
    [
        (("train", "test", "boat"), "auto", r"beside them boat/: data\.source\.layout=splits"),
        (("train", "test", "."), "auto", "beside them 2 images"),
        (("val", "test"), "auto", "no train/ beside test/, val/"),
        (("train", "val", "validation"), "auto", "both are val"),
        (("cat", "dog", "."), "auto", r"2 images lie beside the folders cat, dog: .*layout=flat"),
        ((".",), "classes", "no folders of images"),
        (("cat",), "splits", "has no train/: rename"),
        (("cat",), "tree", "use auto, splits, classes, flat"),
    ],
)
def test_what_is_not_clear_names_the_key(tmp_path: Path, there: tuple[str, ...], layout: Any, said: str) -> None:
    folders(tmp_path, *there)
    with pytest.raises(PushforwardError, match=said) as error:
        load(tmp_path, layout=layout)
    assert "\n" not in str(error.value)


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    folders(tmp_path / "store", "a", "b")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "cat").symlink_to(tmp_path / "store" / "a")
    (mine / "dog").symlink_to(tmp_path / "store" / "b")
    (mine / "dog" / "loop").symlink_to(mine)
    (mine / "dog" / "self.png").symlink_to(tmp_path / "store" / "a" / "0.png")
    arrays = load(mine)
    assert arrays.class_names == ("cat", "dog") and arrays.train.y is not None
    assert arrays.train.y.tolist() == [0, 0, 1, 1, 1]
    copies = DataModule(Folder(str(mine), 8, "auto"), 2, 0, 0)
    assert len(copies.tensor("train")) == 5
    (mine / "cat" / "lost.png").symlink_to(mine / "nowhere.png")
    with pytest.raises(PushforwardError, match=r"lost\.png cannot be read as an image \(a link to nothing\)"):
        load(mine)


# Values ---------------------------------------------------------------------------------------------------------------


def tiff(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(values).save(path / "a.tiff")


def png(values: np.ndarray, **options: Any) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(values).save(path / "a.png", **options)


GREY = np.rint(255 * RAMP).astype(np.uint8)
VALUES: dict[str, tuple[Callable[[Path], None], dict[str, Any], np.ndarray]] = {
    "8 bits": (png(GREY), {}, GREY),
    "16 bits by their high byte": (png((257 * GREY.astype(int)).astype(np.uint16)), {}, GREY),
    "12 bits in 16": (png((4095 * RAMP).astype(np.uint16)), {"range": [0, 4095]}, GREY),
    "floats in [0, 1]": (tiff(RAMP.astype(np.float32)), {}, GREY),
    "floats of 8 bits": (tiff((255 * RAMP).astype(np.float32)), {"range": [0, 255]}, GREY),
    "floats in [-1, 1]": (tiff((2 * RAMP - 1).astype(np.float32)), {"range": [-1, 1]}, GREY),
    "32 bits": (tiff((1e6 * RAMP).astype(np.int32)), {"range": [0, 1e6]}, GREY),
    "a mask of 0 and 1": (png((RAMP > 0.5).astype(np.uint8)), {"range": [0, 1]}, 255 * (RAMP > 0.5)),
    "a mask, meant to be dark": (png((RAMP > 0.5).astype(np.uint8)), {"range": [0, 255]}, (RAMP > 0.5)),
    "two-valued": (png(RAMP > 0.5), {}, 255 * (RAMP > 0.5)),
    "black": (png(0 * GREY), {}, 0 * GREY),
}


def test_every_kind_of_value_is_tried() -> None:
    assert len(VALUES) == 11 and len(UNCLEAR) == 6 and len(BROKEN) == 8


@pytest.mark.parametrize("kind", VALUES)
def test_values_are_looked_at(tmp_path: Path, kind: str) -> None:
    write, options, expected = VALUES[kind]
    write(tmp_path)
    x = pixels(load(tmp_path, **options).train)
    assert np.abs(x[0, 0].numpy().astype(int) - expected).max() <= 1


UNCLEAR: dict[str, tuple[Callable[[Path], None], str]] = {
    "a mask of 0 and 1": (png((RAMP > 0.5).astype(np.uint8)), r"range=\[0,1\], or \[0,255\]"),
    "12 bits in 16": (png((4095 * RAMP).astype(np.uint16)), r"range=\[0,4095\], or \[0,65535\]"),
    "floats of 8 bits": (tiff((255 * RAMP).astype(np.float32)), r"from 0 to 255, which is no range of floats"),
    "negative floats": (tiff((2 * RAMP - 1).astype(np.float32)), r"range=\[-1,1\]"),
    "32 bits": (tiff((1e6 * RAMP).astype(np.int32)), r"range=\[0,1e\+06\]"),
    "NaN": (tiff(np.full((8, 8), np.nan, np.float32)), r"a\.tiff cannot be read.*NaN"),
}


@pytest.mark.parametrize("kind", UNCLEAR)
def test_values_that_could_be_two_things_name_the_key(tmp_path: Path, kind: str) -> None:
    write, said = UNCLEAR[kind]
    write(tmp_path)
    with pytest.raises(PushforwardError, match=said) as error:
        load(tmp_path)
    assert "\n" not in str(error.value)


def test_alpha_frames_cmyk_and_orientation_have_a_meaning(tmp_path: Path) -> None:
    half = np.zeros((8, 8, 4), np.uint8)
    half[:, :4] = (200, 100, 50, 255)  # the right half is transparent
    Image.fromarray(half).save(tmp_path / "a.png")
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "b.jpg")
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "c.gif", save_all=True, append_images=frames[1:])
    turned = Image.fromarray(np.repeat((255 * (RAMP > 0.5)).astype(np.uint8)[..., None], 3, 2))
    exif = turned.getexif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "d.png", exif=exif)
    Image.fromarray(half[..., 0]).convert("P").save(tmp_path / "e.gif", transparency=0)
    arrays = load(tmp_path, mode="rgb")
    a, b, c, d, e = pixels(arrays.train)
    assert a[:, 0, 0].tolist() == [200, 100, 50] and a[:, 0, 7].tolist() == [255, 255, 255]
    assert int(b[0].min()) > 200 and int(b[1].max()) < 60
    assert c[:, 0, 0].tolist() == [255, 0, 0]
    assert int(d[:, 0].min()) == 255 and int(d[:, 7].max()) == 0
    assert e[:, 0, 7].tolist() == [255, 255, 255]
    assert arrays.notes[2:] == (
        "2 images with alpha, laid over white",
        "1 image with several frames, of which the first is used",
        "1 image in CMYK, converted without a colour profile",
    )
    dark = pixels(load(tmp_path, mode="rgb", background="black").train)
    assert dark[0, :, 0, 7].tolist() == [0, 0, 0]


def test_grey_and_colour_together_name_the_key(tmp_path: Path) -> None:
    save(tmp_path / "grey.png")
    save(tmp_path / "colour.png", "RGB")
    with pytest.raises(
        PushforwardError, match=r"grey\.png is grey and .*colour\.png has colour: set data\.source\.mode"
    ):
        load(tmp_path)
    assert load(tmp_path, mode="rgb").train.x.shape == (2, 3, 8, 8)


# Files ----------------------------------------------------------------------------------------------------------------


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as it:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's name is short
        it.bind(path.name)
        os.chdir(here)


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "text": (lambda path: path.write_text("no picture"), "not PNG, JPEG, BMP"),
    "nothing": (lambda path: path.write_bytes(b""), "not PNG, JPEG, BMP"),
    "PostScript": (lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "not PNG, JPEG"),
    "an icon": (lambda path: Image.new("RGB", (16, 16)).save(path, format="ICO"), "not PNG, JPEG"),
    "a bomb": (bomb, "20000×10000 pixels|exceeds limit"),
    "a FIFO": (os.mkfifo, "neither a file nor a link to one"),
    "a socket": (bound, "neither a file nor a link to one"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "neither a file nor a link to one"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_image_is_named_and_reaches_no_other_decoder(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("Ghostscript was called"))
    save(tmp_path / "a.png")
    write, said = BROKEN[kind]
    write(tmp_path / "b.png")
    with pytest.raises(PushforwardError, match=rf"b\.png cannot be read as an image \(.*({said})") as error:
        load(tmp_path)
    assert "\n" not in str(error.value)


def test_content_counts_and_not_the_name(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 90).save(tmp_path / "a.jpg", format="PNG")
    assert pixels(load(tmp_path).train).unique().tolist() == [90]


def test_no_folder_and_no_image(tmp_path: Path) -> None:
    with pytest.raises(PushforwardError, match="is not a folder"):
        load(tmp_path / "none")
    with pytest.raises(PushforwardError, match="no image in"):
        load(tmp_path)


@pytest.mark.parametrize("workers", [0, 1])
def test_truncated_image_is_named_in_one_line_by_workers_too(tmp_path: Path, workers: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 40, 40), dtype=np.uint8)
    for k in range(20):
        Image.fromarray(noise[k]).save(tmp_path / f"{k:02}.png")
    half = tmp_path / "07.png"
    whole = half.read_bytes()
    data = DataModule(Folder(str(tmp_path), 8, "grey"), 4, 0, 0, resident_limit_mb=0, workers=workers)
    data.setup()  # a file that is cut later is named too
    half.write_bytes(whole[:600])
    with pytest.raises(PushforwardError, match=r"07\.png cannot be read") as error:
        list(data.train_dataloader())
    assert "\n" not in str(error.value)


def test_copies_of_a_file_stand_in_one_split(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    for k in range(40):
        Image.fromarray(noise[k // 2]).save(tmp_path / f"{k:02}.png")
    data = DataModule(Folder(str(tmp_path), 8, "grey"), 4, 8, 8)
    found = [set(map(bytes, data.raw_levels(split).flatten(1).numpy())) for split in ("train", "val", "test")]
    assert not found[0] & found[1] and not found[0] & found[2] and not found[1] & found[2]
    assert sum(data.card["splits"].values()) == 40 and "20 images are copies of others" in data.notes[-1]
