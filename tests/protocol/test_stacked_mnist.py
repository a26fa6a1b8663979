"""Stacked digits: channels are MNIST's images, classes their digits, and modes are counted by MNIST's classifier."""

import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.composition import compose
from pushforward.data import DataModule
from pushforward.data.sources import MNIST, StackedMNIST
from pushforward.data.sources.idx import FILES
from pushforward.metrics.modes import stack_coverage
from pushforward.protocol.features import lenet
from pushforward.protocol.modes import Modes
from pushforward.protocol.subject import Subject
from pushforward.training import build

MEASURE = Modes(2500, 4, 4, 0.5, "own", stacked_samples=60, costly_stacked_samples=20)


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """30 + 20 images in MNIST's files: image k is of the digit k modulo 10 and has the level k everywhere."""
    (tmp_path / "mnist").mkdir()
    for file, n in zip(FILES, (30, 30, 20, 20), strict=True):
        k = np.arange(n, dtype=np.uint8)
        array = np.broadcast_to(k[:, None, None], (n, 28, 28)) if "images" in file else k % 10
        head = b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (tmp_path / "mnist" / file).write_bytes(head + array.tobytes())
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    monkeypatch.setattr(MNIST, "payload_md5", {})


def test_channels_are_digits_and_the_class_is_read_off_them(mnist: None) -> None:
    arrays = StackedMNIST(n_train=200, n_test=50, seed=0).load()
    assert arrays.train.x.shape == (200, 3, 28, 28) and arrays.test is not None and arrays.test.x.shape[0] == 50
    assert arrays.n_classes == 1000 == len(arrays.class_names) and arrays.class_names[7] == "007"
    for split, n in ((arrays.train, 30), (arrays.test, 20)):
        x = split.x.gather(torch.arange(len(split)))  # type: ignore[union-attr]
        levels = x[:, :, 0, 0].long()
        assert bool((x == x[:, :, :1, :1]).all()) and int(levels.max()) == n - 1 and len(levels[:, 0].unique()) > n // 2
        assert torch.equal(split.y, levels[:, 0] % 10 * 100 + levels[:, 1] % 10 * 10 + levels[:, 2] % 10)  # type: ignore[arg-type]
    again, other = (StackedMNIST(200, 50, seed).load().train.y for seed in (0, 1))
    assert torch.equal(arrays.train.y, again) and not torch.equal(again, other)  # type: ignore[arg-type]


def level(x: torch.Tensor) -> torch.Tensor:
    """Logits of a classifier that reads the class, one of 4, off the first pixel."""
    return torch.nn.functional.one_hot(x[:, 0, 0, 0].long(), 4).float()


def test_modes_of_stacks_by_a_classifier_that_is_right() -> None:
    """All 4³ modes once: all found and KL 0. Of m modes equally often: m, and KL ln(64 / m)."""
    every = torch.cartesian_prod(*3 * [torch.arange(4.0)])[:, :, None, None].expand(64, 3, 2, 2)
    for m in (64, 16, 1):
        found = stack_coverage(level, every[:m].repeat(2, 1, 1, 1))
        assert found["found"] == m and found["reverse_kl"] == pytest.approx(math.log(64 / m), abs=1e-12)


def measured(*overrides: str) -> dict[str, Any]:
    cfg = compose(
        [*overrides, "data=stacked_mnist", "data.source.n_train=100", "data.source.n_test=30", "data.validation=10"]
    )
    data = build.build_data(cfg)
    return MEASURE(Subject(build.build_family(cfg, data.spec).eval(), data))


def test_a_run_s_samples_are_told_by_the_classifier_that_is_shipped(mnist: None) -> None:
    entries = measured("model=vae", "network.hidden=[8]")
    assert list(entries) == ["modes_found", "reverse_kl_modes"]
    cfg = compose(
        ["model=vae", "network.hidden=[8]", "data=stacked_mnist", "data.source.n_train=100", "data.validation=10"]
    )
    data = build.build_data(cfg)
    real = data.raw_levels("train", 60).float() / 255
    own = stack_coverage(lenet.load(lenet.shipped("mnist"), "shipped").logits, real)
    for entry, key in zip(entries.values(), ("found", "reverse_kl"), strict=True):
        card = entry["card"]
        assert card["floor"] == own[key] and card["n"] == 60 and card["modes"] == 1000 and entry["na"] is None
        assert card["kind"] == "classes of 3 channels by lenet of mnist" and card["features_accuracy"] > 0.98
    assert 1 <= entries["modes_found"]["value"] <= 60
    # 60 samples of at most 60 modes: ln(1000/60) at the least
    assert entries["reverse_kl_modes"]["value"] >= math.log(1000 / 60)


def test_what_has_no_samples_says_so(mnist: None) -> None:
    assert "no prior" in measured("model=ae", "network.hidden=[8]")["modes_found"]["na"]


def test_real_digits_have_all_modes() -> None:
    """26,000 stacks of real digits have all 1,000 modes: the rarest is expected 26,000 · 0.09³ ≈ 19 times."""
    root = os.environ.get("PUSHFORWARD_DATA")
    if not root or not (Path(root) / "mnist").is_dir():
        pytest.skip("PUSHFORWARD_DATA names no folder with mnist/: set it to test with the real files")
    data = DataModule(StackedMNIST(n_train=26_001, n_test=10, seed=0), 64, 1)
    logits = lenet.load(lenet.shipped("mnist"), "shipped").logits
    found = stack_coverage(logits, data.raw_levels("train").float() / 255)
    assert found["found"] == 1000
    # classes of MNIST are not equally frequent: 3 KL(classes ‖ uniform), beside chance's (1000 − 1) / 2n = 0.02
    y = MNIST().load().train.y
    assert y is not None
    p = torch.bincount(y).double() / len(y)
    assert found["reverse_kl"] == pytest.approx(3 * float((p * (10 * p).log()).sum()) + 999 / 52_000, abs=0.005)
