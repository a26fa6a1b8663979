"""A folder of images of 256×256 is read while a recipe trains, and nothing of it is held in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pushforward.composition import compose
from pushforward.data.sources.base import Lazy
from pushforward.report.terminal import waiting
from pushforward.runs import Run
from pushforward.spec import Block
from pushforward.training import build, checkpoints
from pushforward.training.train import train

SHAPE = (3, 256, 256)


@pytest.fixture
def frozen(tmp_path: Path) -> dict[str, Any]:
    """A run on 24 images larger than 256×256, of which memory may hold none."""
    noise = np.random.default_rng(0)
    for k in range(24):
        Image.fromarray(noise.integers(0, 256, (64, 80, 3), dtype=np.uint8)).resize((320, 260)).save(
            tmp_path / f"{k}.jpg"
        )
    return compose(
        [
            "model=gan", "network=conv", "network.width=4", "data=folder", f"data.source.path={tmp_path}", "batch_size=2",
            "data.source.size=256", "data.resident_limit_mb=1", "augmentation=flip_crop", "features=none", "metrics=none",
            "budget.epochs=null", "budget.images=8",
        ]
    )  # fmt: skip


def test_a_recipe_trains_two_steps_on_images_that_are_read_meanwhile(frozen: dict[str, Any]) -> None:
    data = build.build_data(frozen)
    assert data.spec.shape == SHAPE and isinstance(data._levels("train"), Lazy)
    family: Any = build.build_family(frozen, data.spec)
    family.configure_optimizers()
    data.per_cycle, data.cycles = family.batches_per_cycle, 2
    stream = data.train_dataloader()
    for block in stream:
        assert block.batch.x.shape[1:] == (2, *SHAPE)
        family.stepper.block(Block(block.index, block.batch))
    [(means, bad)] = family.stepper.history.take()
    assert means and bad is None and set(family.progress.steps.values()) == {2}
    assert data.waited > 0 and isinstance(stream.x, Lazy)
    family.eval()
    with torch.no_grad():
        assert family.sample(1, torch.Generator().manual_seed(0)).shape == (1, *SHAPE)


def test_a_run_records_what_share_of_its_time_it_waited(
    frozen: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(frozen, tmp_path / "run") == 0
    run = Run(tmp_path / "run")
    cost = run.record["cost"]
    assert 0 < cost["data_wait"] < 1 and run.value("data_wait") == cost["data_wait"]
    kept = checkpoints.load(tmp_path / "run" / "checkpoints" / checkpoints.LAST)
    assert 0 < kept["waited"] <= cost["data_wait"] * cost["train_seconds"] + 1e-9
    assert (
        f"{cost['train_seconds']:.1f} s{', ' * bool(said := waiting(cost['data_wait']))}{said}\n"
        in capsys.readouterr().out
    )
    assert waiting(0.213) == "21 % of it waiting for data" and waiting(0.01) == ""
