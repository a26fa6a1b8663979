"""fp64 and bf16 from config to record."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from zoo import AT_LEAST, DEPTH, RECIPES, frozen_of

from pushforward.runs import Run
from pushforward.training.train import train


@pytest.mark.parametrize("precision", ["fp64", "bf16"])
@pytest.mark.parametrize("model", ["vae", "denoising_ae", "gan", "realnvp", "ddpm"])
def test_a_run_trains_validates_draws_and_is_measured(
    small: Callable[..., dict[str, Any]], tmp_path: Path, model: str, precision: str
) -> None:
    """Weights keep the precision they are trained in; what is measured and drawn is finite."""
    common = (f"model={model}", "metrics=default", "budget.epochs=1", "trainer.pictures_every=0.5")
    common += ("metrics.costly_images=20", "model.evaluations=10") if model == "ddpm" else ()
    network = ("network=unet", "network.width=4", "network.attention=0") if model == "ddpm" else ("network=mlp",)
    frozen = small(*network, *common, f"precision={precision}", hidden=None if model == "ddpm" else 16)
    assert train(frozen, tmp_path / "run") == 0
    run = Run(tmp_path / "run")
    values = [m["value"] for m in run.metrics.values() if m["value"] is not None]
    assert all(v == v for v in values) and (values or model == "gan")
    assert (run.samples / "samples.png").is_file() or model == "denoising_ae"
    state = torch.load(run.checkpoints / "last.ckpt", weights_only=True)["state_dict"]
    wanted = torch.float64 if precision == "fp64" else torch.float32
    assert {v.dtype for v in state.values() if v.is_floating_point()} == {wanted}


CASES = [(model, "bf16") for model in RECIPES] + [(model, other) for model in DEPTH for other in ("fp32", "fp64")]
"""Every recipe's gradients in float64 are in test_trainer.py, its steps in float32 in tests/families/test_every_recipe.py."""


@pytest.mark.parametrize(("model", "precision"), CASES)
def test_two_steps_by_the_trainer(tmp_path: Path, model: str, precision: str) -> None:
    """On the network that the recipe names, with validation; its losses are finite."""
    per_cycle = 64 * frozen_of(model)["model"].get("n_critic", 1)
    budget = (f"budget.images={2 * per_cycle}", "budget.epochs=null")
    frozen = frozen_of(model, None, *budget, "trainer.threads=1", "trainer.progress=false") | {"precision": precision}
    assert train(frozen, tmp_path / "run") == 0
    run = Run(tmp_path / "run")
    assert run.status["images_seen"] == 2 * per_cycle
    curves = run.curves()
    losses = [name for name in curves if name.startswith("train/")]
    assert losses and all(np.isfinite(curves[name]).any() for name in losses)


def test_every_recipe_is_among_them() -> None:
    assert len(CASES) == len(RECIPES) + 2 * len(DEPTH) and len(RECIPES) >= AT_LEAST


def test_channels_last_trains_the_same_but_for_rounding(small: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    runs = []
    for last in ("false", "true"):
        frozen = small(
            "model=vae",
            "network=conv",
            "network.width=4",
            "budget.epochs=1",
            f"trainer.channels_last={last}",
            hidden=None,
        )
        assert train(frozen, tmp_path / last) == 0
        runs.append(Run(tmp_path / last))
    assert [run.record["execution"]["channels_last"] for run in runs] == [False, True]
    ours, theirs = (run.curves()["train/reconstruction"] for run in runs)
    torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), rtol=1e-4, atol=0, equal_nan=True)
