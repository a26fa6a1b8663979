"""What no run can do is refused before one is announced; what is tried leaves no trace in those that can."""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.errors import PushforwardError
from pushforward.families import VariationalAutoencoder
from pushforward.training import build, dry_run
from pushforward.training.checkpoints import load
from pushforward.training.dry_run import rehearse
from pushforward.training.train import train

Compose = Callable[..., dict[str, Any]]
BUDGET = ("batch_size=16", "budget.images=256", "budget.epochs=null")


@pytest.mark.parametrize(
    "recipe",
    [
        ("model=vae", "optimizer.model.ema=0.9"),
        ("model=gan", "network.width=4"),
        ("model=vae", "precision=bf16", "selection.every=0.1"),
        ("model=realnvp", "precision=fp64"),
    ],
)
def test_a_run_is_the_same_with_and_without_it(small: Compose, tmp_path: Path, recipe: tuple[str, ...]) -> None:
    frozen = small(*recipe, *BUDGET, hidden=None)
    assert train(frozen, tmp_path / "without") == 0
    moved = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    rehearse([frozen])
    assert moved == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
    assert torch.get_default_dtype() == torch.float32 and len(build.READY) == 1
    assert train(frozen, tmp_path / "with") == 0
    states = [load(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("without", "with")]
    assert states[0]["progress"] == states[1]["progress"]
    assert states[0]["state_dict"].keys() == states[1]["state_dict"].keys()
    for key, value in states[0]["state_dict"].items():
        assert torch.equal(value, states[1]["state_dict"][key]), key


REFUSED = {
    "trainer.accelerator=hamster": "trainer.accelerator=hamster, trainer.devices=1, trainer.strategy=auto: ",
    "trainer.strategy=hamster": "trainer.strategy=hamster: ",
    "trainer.accelerator=tpu": "trainer.accelerator=tpu",
    "selection.metric=foo": "selection.metric=foo: this model validates criterion, kl, reconstruction, total; choose one",
    "selection.metric=fd_lenet": "selection.metric=fd_lenet needs samples and features=lenet; use auto or none",
    "data.validation=0 selection.metric=total": "selection.metric=total needs validation images",
    "metrics=default metrics.during=[foo]": "metrics.during: foo is not measured; choose from reconstruction",
    "metrics=default metrics.samples.parts=[foo]": "metrics.samples.parts: foo is not known; choose from frechet",
    "metrics=default metrics.samples.further=[foo]": "metrics.samples.further: there is no density foo",
    "metrics=default metrics.modes.density=foo": "metrics.modes.density: there is no density foo; metrics.densities has normal",
    "+callbacks.mine._target_=pytorch_lightning.callbacks.Timer +callbacks.mine.duration=noon": (
        "callbacks.mine: Timer cannot be built: MisconfigurationException: `Timer(duration='noon')` is not a valid"
    ),
    "metrics=default +measure@metrics.latent=latent metrics.latent.densities=[foo]": "there is no density foo",
}


@pytest.mark.parametrize(("overrides", "why"), REFUSED.items())
def test_what_cannot_be_done_is_refused_in_one_line(small: Compose, overrides: str, why: str) -> None:
    with pytest.raises(PushforwardError) as refused:
        rehearse([small("model=vae", *BUDGET, *overrides.split())])
    assert why in str(refused.value) and "\n" not in str(refused.value)
    assert len(REFUSED) == 12


def test_a_part_that_cannot_be_built_is_named_by_its_key() -> None:
    layer = {"_target_": "torch.nn.TransformerEncoderLayer", "d_model": 3, "nhead": 2}
    node = {"_target_": "torch.nn.TransformerEncoder", "encoder_layer": layer, "num_layers": 1}
    with pytest.raises(PushforwardError) as refused:
        build.make(node, "network")
    said = "network.encoder_layer: TransformerEncoderLayer cannot be built: AssertionError: embed_dim must be divisible"
    assert str(refused.value).startswith(said) and "\n" not in str(refused.value)


def stops(*_: Any) -> Any:
    return next(iter(()))


def exits(*_: Any) -> Any:
    raise SystemExit(0)


def divides(*_: Any) -> Any:
    return 1 / 0


@pytest.mark.parametrize("method", ["loss", "draw", "validation_terms"])
@pytest.mark.parametrize("does", [stops, exits, divides])
def test_a_person_s_model_that_raises_is_refused(
    small: Compose, monkeypatch: pytest.MonkeyPatch, method: str, does: Any
) -> None:
    monkeypatch.setattr(VariationalAutoencoder, method, does)
    with pytest.raises(PushforwardError, match=r"model=vae cannot be trained: .*\(test_dry_run.py, line \d+\)$"):
        rehearse([small("model=vae", *BUDGET)])


def test_a_job_is_tried_once_whatever_its_seed(small: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    loss = VariationalAutoencoder.loss

    def counted(self: Any, player: str, batch: Any, noise: Any) -> Any:
        tried.append(len(batch.x))
        return loss(self, player, batch, noise)

    monkeypatch.setattr(VariationalAutoencoder, "loss", counted)
    monkeypatch.setattr(dry_run, "SLOW", math.inf)
    jobs = [small("model=vae", *BUDGET, f"seed={seed}", f"model.code_dim={d}") for d in (2, 3) for seed in (1, 2)]
    seconds = rehearse(jobs)
    assert tried == [*[16] * dry_run.TIMED, 2] * 2, "steps that are timed, and a look at validation each"
    assert seconds[0] == seconds[1] and seconds[2] == seconds[3] and min(seconds) > 0, "one estimate a job"
    tried.clear()
    rehearse(jobs, here=False)
    assert tried == [2] * 4, "what another machine trains is tried on a few images"
