"""Data sets in Hugging Face's formats, made here and read without network: splits, columns, labels, streaming, identity."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pushforward.composition import compose
from pushforward.config import run_id
from pushforward.data import DataModule
from pushforward.data.sources import Hub
from pushforward.data.sources.base import Split
from pushforward.errors import PushforwardError

datasets = pytest.importorskip("datasets", reason="needs pip install 'pushforward[hub]', which [dev] brings along")


@pytest.fixture(autouse=True)
def offline(alone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and no network."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", alone / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    return alone


def picture(level: int, mode: str = "RGB", size: tuple[int, int] = (12, 8)) -> Image.Image:
    return Image.new(mode, size, level if mode == "L" else (level, level, 0))


def rows(n: int, mode: str = "RGB", label: str = "label", start: int = 0) -> Any:
    """n images of levels start, start + 1, …, of the classes cat and dog in turn."""
    features = datasets.Features(
        {
            "image": datasets.Image(),
            label: datasets.ClassLabel(names=["cat", "dog"]),
            "caption": datasets.Value("string"),
        }
    )
    columns = {
        "image": [picture(start + k, mode) for k in range(n)],
        label: [k % 2 for k in range(n)],
        "caption": [f"picture {k}" for k in range(n)],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def hub(path: Path, **options: Any) -> Hub:
    plain: dict[str, Any] = {"config": None, "revision": None, "image": None, "label": None, "size": 4, "mode": "auto"}
    return Hub(name="local", path=str(path), **plain | options)


def pixels(split: Split | None) -> torch.Tensor:
    assert split is not None and not isinstance(split.x, torch.Tensor)
    return split.x.gather(torch.arange(len(split)))


def test_saved_splits_with_classes(offline: Path) -> None:
    parts = {"train": rows(10), "validation": rows(4, start=100), "test": rows(3, start=200), "unlabelled": rows(2)}
    datasets.DatasetDict(parts).save_to_disk(offline / "pets")
    arrays = hub(offline / "pets").load()
    x = pixels(arrays.train)
    assert x.shape == (10, 3, 4, 4) and x[:, 0, 0, 0].tolist() == list(range(10)) and x[:, 2].sum() == 0
    assert [int(pixels(part)[0, 1, 2, 2]) for part in (arrays.val, arrays.test)] == [100, 200]
    assert arrays.train.y is not None and arrays.train.y.tolist() == [0, 1] * 5 and arrays.class_names == ("cat", "dog")
    assert arrays.notes == (
        "10 train, 4 val, 3 test images of column image; left out: splits unlabelled",
        "12×8 to 12×8 in 17 images looked at, their central square resized to 4×4",
    )


def test_parquet_files_are_split_by_us_and_equal_images_stand_in_one_split(offline: Path) -> None:
    (offline / "sets").mkdir()
    datasets.concatenate_datasets([rows(10, "L"), rows(10, "L")]).to_parquet(str(offline / "sets" / "part.parquet"))
    data = DataModule(hub(offline / "sets"), 4, 0.2, 0.2)
    assert data.spec.shape == (1, 4, 4) and data.card["splits"] == {"train": 12, "val": 4, "test": 4}
    seen = [set(data.raw_levels(split)[:, 0, 0, 0].tolist()) for split in ("train", "val", "test")]
    assert sum(map(len, seen)) == 10 == len(set.union(*seen))


def test_folders_of_files_are_streamed_as_they_are_held(offline: Path) -> None:
    for split in ("train", "test"):
        for k in range(8):
            path = offline / "own" / split / ("cat", "dog")[k % 2] / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(10 * k + 5).save(path)
    held, streamed = (DataModule(hub(offline / "own"), 2, 0.25, resident_limit_mb=mb) for mb in (100, 0))
    assert held.arrays.class_names == ("cat", "dog") and len(held.arrays.test or ()) == 8
    for a, b in zip(held.train_dataloader(), streamed.train_dataloader(), strict=True):
        assert torch.equal(a.batch.x, b.batch.x) and torch.equal(a.batch.y, b.batch.y)  # type: ignore[arg-type]


def test_columns_by_name_text_as_labels_and_labels_that_are_withheld(offline: Path) -> None:
    others = datasets.Dataset.from_dict(
        {"other": [picture(99 + k, "L") for k in range(6)]}, features=datasets.Features({"other": datasets.Image()})
    )
    datasets.concatenate_datasets([rows(6), others], axis=1).save_to_disk(offline / "two")
    with pytest.raises(
        PushforwardError, match=r"columns image \(Image\), label .*: name one of images in data\.source\.image"
    ):
        hub(offline / "two").load()
    arrays = hub(offline / "two", image="other", label="caption").load()
    assert pixels(arrays.train)[:, 0, 0, 0].tolist() == list(range(99, 105)) and arrays.n_classes == 6
    with pytest.raises(PushforwardError, match=r"no column colour: data\.source\.label is one of image, label"):
        hub(offline / "two", image="other", label="colour").load()
    test = rows(3)
    hidden = datasets.Dataset.from_dict({**test.to_dict(), "label": [-1] * 3}, features=test.features)
    datasets.DatasetDict({"train": rows(4), "test": hidden}).save_to_disk(offline / "hidden")
    arrays = hub(offline / "hidden").load()
    assert arrays.train.y is not None and arrays.test is not None and arrays.test.y is None


def test_what_is_unclear_or_missing_is_one_line(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets.concatenate_datasets([rows(3), rows(3, "L")]).save_to_disk(offline / "mixed")
    with pytest.raises(PushforwardError, match=r"grey images and such with colour: set data\.source\.mode=grey or"):
        hub(offline / "mixed").load()
    assert hub(offline / "mixed", mode="grey").load().train.x.shape == (6, 1, 4, 4)
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict({"image": [picture(1), None]}, features=features).save_to_disk(offline / "holes")
    with pytest.raises(PushforwardError, match=r"holes, row 1 has no image: leave it out"):
        hub(offline / "holes").load()
    datasets.DatasetDict({"a": rows(1), "b": rows(1)}).save_to_disk(offline / "names")
    with pytest.raises(PushforwardError, match="has the splits a, b, but none to train on"):
        hub(offline / "names").load()
    for source, said in (
        (hub(offline / "nowhere"), r"nowhere cannot be loaded as a data set \(.*\): correct data\.source\.path"),
        (Hub("nobody/nothing", None, None, None, None, None, 4, "auto"), r"nobody/nothing cannot be loaded .*connect"),
        (Hub("local", None, None, None, None, None, 4, "auto"), r"give data\.source\.name=NAME"),
    ):
        with pytest.raises(PushforwardError, match=said) as error:
            source.load()
        assert "\n" not in str(error.value)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(PushforwardError, match=r"needs the package datasets .*pip install 'pushforward\[hub\]'"):
        hub(offline / "mixed").load()


def test_a_path_is_known_by_its_content_and_a_name_by_its_last_part(
    offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(offline / "outputs"))
    for name in ("one", "same"):
        datasets.Dataset.from_dict({"x": [1]}).to_parquet(str(offline / name / "a.parquet"))
    (offline / "other").mkdir()
    np.save(offline / "other" / "a.npy", np.zeros(2))
    ids = {
        name: run_id(compose(["data=hub", f"data.source.path={offline / name}"])).rsplit("-", 1)
        for name in ("one", "same", "other")
    }
    assert ids["one"][0].endswith("-one-s1") and ids["one"][1] == ids["same"][1] != ids["other"][1]
    named, pinned = (
        run_id(compose(["data=hub", "data.source.name=ylecun/mnist", *more]))
        for more in ([], ["data.source.revision=abc"])
    )
    assert "-mnist-s1-" in named and named != pinned
