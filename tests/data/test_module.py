"""The cut, the preparation and the evaluation batches."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from pushforward.data import DataModule
from pushforward.data.sources import MNIST, Digits, Npz, Sprites, Toy2d
from pushforward.data.splits import after, image_keys, together
from pushforward.errors import PushforwardError

CONF = Path(__file__).parents[2] / "conf" / "data"
NAMES = (
    "celeba", "cifar10", "code_indices", "codes", "digits", "dsprites", "fashion_mnist", "folder", "hub", "kmnist", "mnist",
    "npz", "omniglot", "sprites", "stacked_mnist", "svhn", "toy2d",
)  # fmt: skip


def digits(**options: Any) -> DataModule:
    return DataModule(Digits(), 64, 180, **options)


def test_config_files_are_known_and_bind() -> None:
    found = sorted(p.stem for p in CONF.glob("*.yaml"))
    assert tuple(found) == NAMES
    for name in found:
        text = (CONF / f"{name}.yaml").read_text()
        assert text.startswith("# ") and f"data={name}" in text
        config = OmegaConf.merge(OmegaConf.load(CONF / f"{name}.yaml"), {"batch_size": 32})
        if name in ("codes", "code_indices"):
            config.run = "a run"
        elif OmegaConf.is_missing(config.source, "path"):
            config.source.path = "somewhere"
        data = instantiate(config)
        assert isinstance(data, DataModule) and data.batch_size == 32 and data.split_seed == 0
        assert not any(OmegaConf.is_config(value) for value in (*vars(data).values(), *vars(data.source).values()))


def test_splits_are_disjoint_whole_and_of_their_own_seed() -> None:
    data, other = digits(), digits(split_seed=1)
    for d in (data, other):
        sizes = d.card["splits"]
        assert sizes == {"train": 1257, "val": 180, "test": 360}
        rows = torch.cat([d._index["train"], d._index["val"]])
        assert torch.equal(rows.sort().values, torch.arange(1437))
    assert not torch.equal(data._index["val"], other._index["val"])
    assert torch.equal(data.raw_levels("test"), other.raw_levels("test"))
    data.seed = 99  # the run's seed moves neither the cut nor the evaluation
    assert torch.equal(data.tensor("val"), digits().tensor("val"))


def test_spec_and_values_of_digits() -> None:
    data = digits()
    spec = data.spec
    assert (spec.shape, spec.levels, spec.n_train, spec.n_classes) == ((1, 8, 8), 17, 1257, 10)
    x, raw = data.tensor("test"), data.raw_levels("test")
    assert x.dtype == torch.float32 and torch.equal((x * 16).round().to(torch.uint8), raw)
    assert float(x.min()) == 0 and float(x.max()) == 1
    labels = data.labels("test")
    assert labels is not None and labels.shape == (360,) and data.factors("test") is None and data.log_density is None


def test_cut_of_a_source_without_a_test_split() -> None:
    data = DataModule(Sprites(8, 2, 2, 4, False), 16, 0.05, 0.1)
    assert data.card["splits"] == {"train": 163, "val": 10, "test": 19}
    assert data.spec.factors == (3, 2, 2, 4, 4) and data.spec.levels == 2
    rows = torch.cat([data._index[s] for s in ("train", "val", "test")])
    assert torch.equal(rows.sort().values, torch.arange(192))
    assert digits(limit=100).card["splits"] == {"train": 100, "val": 180, "test": 360}


@pytest.mark.parametrize("binarize", [None, "static", "dynamic"])
@pytest.mark.parametrize("dequantize", [False, True])
def test_evaluation_noise_belongs_to_the_position(binarize: Any, dequantize: bool) -> None:
    data = digits(binarize=binarize, dequantize=dequantize)
    whole = data.tensor("test")
    for size in (7, 250, 360, 1000):
        assert torch.equal(whole, torch.cat([b.x for b in data.batches("test", size)]))
    assert torch.equal(whole[:33], data.tensor("test", 33))
    other = digits(binarize=binarize, dequantize=dequantize)
    other.seed = 5
    assert torch.equal(whole, other.tensor("test"))
    if binarize or dequantize:
        assert not torch.equal(whole, digits(binarize=binarize, dequantize=dequantize, split_seed=3).tensor("test"))
    levels = 2 if binarize else 17
    assert data.spec.levels == levels and data.spec.dequantized == dequantize
    if dequantize:
        assert float(whole.min()) >= 0 and float(whole.max()) < 1
    else:
        assert torch.equal(whole * (levels - 1), (whole * (levels - 1)).round())


def test_dequantised_white_stays_below_one() -> None:
    """Of 255 + u the float32 nearest to 256 is avoided: else a logit of x is infinite."""
    from pushforward.data.prepare import BELOW_ONE

    assert float((torch.tensor(255.0) + torch.tensor(BELOW_ONE)) / 256) < 1
    assert float((torch.tensor(255.0) + torch.tensor(1 - 2**-24)) / 256) == 1


@pytest.mark.parametrize("binarize", ["static", "dynamic"])
def test_binarised_mean_is_the_grey_value(binarize: Any) -> None:
    """Bernoulli(x): over N pixels the mean differs from that of x by less than 5 · ½/√N."""
    data, grey = digits(binarize=binarize), digits()
    x, p = data.tensor("train"), grey.tensor("train")
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert abs(float(x.mean() - p.mean())) < 2.5 / math.sqrt(x.numel())
    assert x[p == 0].sum() == 0 and bool((x[p == 1] == 1).all())


def test_static_is_drawn_once_and_dynamic_each_time() -> None:
    for binarize, same in (("static", True), ("dynamic", False)):
        data = digits(binarize=binarize)
        data.cycles = 64
        seen: dict[int, torch.Tensor] = {}
        equal = []
        stream = data.train_dataloader()
        for block in stream:
            rows = stream.layout.index(stream.order, block.index).flatten().tolist()
            for row, x in zip(rows, block.batch.x.flatten(0, 1), strict=True):
                if row in seen:
                    equal.append(torch.equal(seen[row], x))
                seen[row] = x
        assert len(equal) > 1000 and all(equal) == same
        if same:
            assert torch.equal(data.tensor("train"), torch.stack([seen[k] for k in range(1257)]))


def test_points_pass_their_density_on() -> None:
    data = DataModule(Toy2d("grid", 500, 100, 0), 50, 100)
    assert data.spec.shape == (2,) and data.spec.levels is None and not data.spec.bounded
    assert data.log_density is not None and data.log_density(data.tensor("test")).shape == (100,)
    assert torch.equal(next(data.batches("test")).x, data.arrays.test.x)  # type: ignore[union-attr, arg-type]
    with pytest.raises(PushforwardError, match="no levels"):
        data.raw_levels("test")


def test_what_does_not_fit_together_is_refused_in_one_line(tmp_path: Path) -> None:
    points = Toy2d("grid", 500, 100, 0)
    np.savez(tmp_path / "a.npz", x=np.zeros((30, 4, 4), np.float32))
    cases: list[tuple[DataModule, str]] = [
        (DataModule(Digits(), 8, 1437), "leaves nothing"),
        (DataModule(Digits(), 8, 1.0), "data.validation=1.0 is no share"),
        (DataModule(Digits(), 8, -1), "data.validation=-1 is no share"),
        (DataModule(Digits(), 8, math.nan), "data.validation=nan is no share"),
        (DataModule(Digits(), 8, 1.5), "data.validation=1.5 is no share"),
        (DataModule(Sprites(8, 2, 2, 4, True), 8, 0.1, 200), "data.test=200 leaves nothing of 192"),
        (DataModule(Sprites(8, 2, 2, 4, True), 8, 0.6, 0.5), "data.validation=0.6 and data.test=0.5 leaves nothing"),
        (digits(limit=-3), "data.limit=-3: digits has 1,257 training images"),
        (digits(limit=0), "data.limit=0"),
        (digits(limit=1258), "data.limit=1258"),
        (DataModule(points, 8, 10, standardize=True), "density in its own unit: data.standardize must be false"),
        (DataModule(points, 8, 10, binarize="static"), "points, not pixels"),
        (DataModule(points, 8, 10, dequantize=True), "real-valued"),
        (DataModule(Npz(str(tmp_path / "a.npz")), 8, 3, dequantize=True), "real-valued"),
        (DataModule(Sprites(8, 2, 2, 4, True), 8, 3, binarize="static", resident_limit_mb=0), "resident_limit_mb"),
    ]
    for data, said in cases:
        with pytest.raises(PushforwardError, match=said) as error:
            data.train_dataloader()
        assert "\n" not in str(error.value)
    with pytest.raises(PushforwardError, match="use null, static or dynamic"):
        DataModule(Digits(), 8, 10, binarize="sometimes")  # type: ignore[arg-type]
    with pytest.raises(PushforwardError, match="train, val, test"):
        digits().tensor("validation")


def test_real_mnist_is_cut_into_55_5_10_thousand() -> None:
    root = os.environ.get("PUSHFORWARD_DATA")
    if not root or not (Path(root) / "mnist").is_dir():
        pytest.skip("PUSHFORWARD_DATA names no folder with mnist/: set it to test with the real files")
    data = DataModule(MNIST(), 128, 5000, binarize="dynamic")
    assert data.card["splits"] == {"train": 55_000, "val": 5_000, "test": 10_000}
    data.cycles = 16
    block = next(iter(data.train_dataloader()))
    assert block.batch.x.shape == (16, 128, 1, 28, 28) and set(block.batch.x.unique().tolist()) == {0.0, 1.0}


def test_fewer_images_than_a_batch_are_shown_more_than_once() -> None:
    data = digits(limit=10)
    data.cycles = 20
    blocks = list(data.train_dataloader())
    assert [tuple(b.batch.x.shape[:2]) for b in blocks] == [(16, 64), (4, 64)]
    assert len(torch.cat([b.batch.x.flatten(0, 1) for b in blocks]).unique(dim=0)) == 10
    assert data.notes == ["few images: each batch of 64 shows the 10 there are more than once; see batch_size"]
    assert digits().notes == []


def test_a_share_is_at_least_one_image_and_none_is_allowed(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (12, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=x)
    source = Npz(str(tmp_path / "a.npz"))
    assert DataModule(source, 4, 0.01, 0.01).card["splits"] == {"train": 10, "val": 1, "test": 1}
    assert DataModule(source, 4, 3.0, 2.0).card["splits"] == {"train": 7, "val": 3, "test": 2}
    none = DataModule(source, 4, 0, 0)
    assert none.card["splits"] == {"train": 12, "val": 0, "test": 0} and len(none.tensor("val")) == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_keys_are_equal_for_equal_images_alone(dtype: Any) -> None:
    """Also of images that differ in one pixel, wherever it stands in a word of 8 bytes."""
    x = np.zeros((130, 1, 5, 13), dtype)
    for k in range(65):
        x[k].flat[k] = 128
    x[65:] = x[:65][::-1]
    keys = image_keys(torch.from_numpy(x))
    assert keys is not None and len(keys[:65].unique()) == 65 and torch.equal(keys[:65], keys[65:].flip(0))
    assert image_keys(torch.zeros(3, 2)) is None  # points may repeat by right


def test_equal_images_stand_in_one_split_and_others_where_they_stood(tmp_path: Path) -> None:
    keys = torch.arange(1000) // 2
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    beside = together(order, keys)
    assert torch.equal(beside.sort().values, torch.arange(1000)) and torch.equal(*keys[beside].view(-1, 2).T)
    firsts = [k for i, k in enumerate(keys[order].tolist()) if k not in keys[order][:i].tolist()]
    assert keys[beside][::2].tolist() == firsts and after(keys[beside], 101) == 102
    assert torch.equal(together(order, torch.arange(1000)), order)
    assert bool((keys[together(order, torch.where(keys < 30, 0, keys))][-60:] < 30).all())  # a large set is trained on

    x = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=np.concatenate([x, x]))
    data = DataModule(Npz(str(tmp_path / "a.npz")), 4, 0.2, 0.2)
    found = [image_keys(data.raw_levels(split)) for split in ("train", "val", "test")]
    assert sum(len(k.unique()) for k in found) == 60 and min(map(len, found)) > 20  # type: ignore[union-attr, arg-type]
    np.savez(tmp_path / "a.npz", x=np.ones_like(x))
    data = DataModule(Npz(str(tmp_path / "a.npz")), 4, 0.2, 0.2)
    assert data.card["splits"] == {"train": 36, "val": 12, "test": 12} and "too many" in data.notes[-1]
