"""Every case composes, and its rows train networks of one size on the same images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import lightning, rows
from bench.cases import CASES, ROWS, Case, absent, chosen
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.spec import DataSpec
from pushforward.training import build

SPECS = {
    "digits": DataSpec(shape=(1, 8, 8), levels=17, n_train=1257, n_classes=10),
    "mnist": DataSpec(shape=(1, 28, 28), levels=256, n_train=55_000, n_classes=10),
}


class Enough(Exception):
    """Two batches have been trained on."""


class Ticking:
    """A gate for two batches."""

    def tick(self, images: int) -> None:
        if images >= 2 * 64:
            raise Enough


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_rows_train_the_same(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SPECS[case.data]
    frozen = compose([*case.command, "trainer.threads=1"])
    assert frozen["batch_size"] == case.batch
    size = sum(p.numel() for p in build.build_family(frozen, spec).parameters())
    x = torch.rand(3 * case.batch, *spec.shape)
    if spec.levels == 17:
        x = (x * 16).round() / 16
    built: list[torch.nn.Module] = []
    monkeypatch.setattr(lightning, "fit", lambda module, *args: built.append(module))
    monkeypatch.setattr(rows, "images", lambda path: x)
    rows.in_lightning(case, tmp_path, "cpu", Ticking())  # type: ignore[arg-type]
    assert sum(p.numel() for p in built[0].parameters()) == size
    loop: Iterator[Any] = rows.steps(case, x)
    assert all(bool(next(loop).isfinite()) for _ in range(2))


@pytest.mark.parametrize("name", ["vae-digits-small", "gan-mnist", "flow-digits", "diffusion-digits"])
def test_lightning_trains(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    x = (torch.rand(2 * case.batch, *SPECS[case.data].shape) * 16).round() / 16
    monkeypatch.setattr(rows, "images", lambda path: x)
    with pytest.raises(Enough):
        rows.in_lightning(case, Path(), "cpu", Ticking())  # type: ignore[arg-type]


def test_mirror_holds_where_a_validation_is_due() -> None:
    told: list[tuple[int, bool]] = []

    class Gate:
        @staticmethod
        def tick(images: int, boundary: bool) -> None:
            told.append((images, boundary))

    mirror = rows.Mirror(Gate(), period=1000.0)  # type: ignore[arg-type]
    for seen in (400, 800, 1200, 1200, 1600, 2000):  # at 1200 training's row and validation's
        mirror.log_metrics({}, seen)
    assert told == [(400, False), (800, False), (1200, True), (1200, False), (1600, False), (2000, True)]


def test_chosen() -> None:
    assert [case.name for case in chosen("flow-digits,vae-mnist")] == ["flow-digits", "vae-mnist"]
    assert len(chosen("")) == len(CASES) >= 7 and len(ROWS) == 3
    with pytest.raises(PushforwardError, match=r"--cases nothing: there is no such case; choose from vae-digits"):
        chosen("nothing")


def test_absent_data_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_DATA", str(tmp_path))
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
    assert absent(CASES["vae-digits"]) is None
    assert "MNIST is not here" in (absent(CASES["vae-mnist"]) or "")
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").touch()
    assert absent(CASES["vae-mnist"]) is None
