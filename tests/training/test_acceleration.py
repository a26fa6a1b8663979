"""Switches of the trainer: what they do to a run, what its record says, and what is refused."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pushforward.engine.player_step import RECORDED_AT
from pushforward.errors import PushforwardError
from pushforward.runs import Run
from pushforward.training.train import train

Compose = Callable[..., dict[str, Any]]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_a_recorded_run_is_the_same_run(small: Compose, tmp_path: Path) -> None:
    budget = (f"budget.images={(RECORDED_AT + 30) * 8}", "budget.epochs=null", "batch_size=8")
    for record in ("true", "false"):
        assert train(small("model=vae", *budget, f"trainer.record={record}"), tmp_path / record) == 0
    recorded, alone = Run(tmp_path / "true"), Run(tmp_path / "false")
    assert recorded.record["execution"]["recorded"] == ["model"]
    assert alone.record["execution"]["recorded"] == []
    for a, b in zip(weights(recorded.path).values(), weights(alone.path).values(), strict=True):
        assert torch.equal(a, b)


def test_a_run_goes_on_in_another_memory_format(small: Compose, tmp_path: Path) -> None:
    """Its optimiser's states lie in memory as its weights do: a fused step goes through both without looking."""
    from pushforward.training import build, checkpoints

    frozen = small("model=vae", "network=conv", "network.width=4", "trainer.channels_last=true", hidden=None)
    assert train(frozen, tmp_path / "run") == 0
    family = build.build_family(frozen, build.build_data(frozen).spec)
    family.configure_optimizers()
    checkpoints.restore(family, checkpoints.load(tmp_path / "run" / "checkpoints" / "last.ckpt"))
    assert family.stepper is not None
    states = family.stepper.optimizers["model"].state
    saved = checkpoints.load(tmp_path / "run" / "checkpoints" / "last.ckpt")["optimizers"]["model"]["state"]
    differ = 0
    for (parameter, state), before in zip(states.items(), saved.values(), strict=True):
        assert state["exp_avg"].stride() == parameter.stride()
        assert torch.equal(state["exp_avg"], before["exp_avg"])
        differ += before["exp_avg"].stride() != parameter.stride()
    assert differ


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_run_trains_the_same_but_for_rounding(child_env: dict[str, str], tmp_path: Path) -> None:
    """In processes of their own: here shapes are checked while a function is compiled, which it does not stand."""
    command = "train model=vae data=digits network.hidden=[16] budget.epochs=1 features=none metrics=none logger=none"
    runs = []
    for compiled in ("true", "false"):
        done = subprocess.run(
            [sys.executable, "-m", "pushforward", *command.split(), f"trainer.compile={compiled}"],
            env={**child_env, "PUSHFORWARD_OUTPUTS": str(tmp_path / compiled)}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert ("compiled model " in done.stdout) == (compiled == "true")
        runs += [Run(folder) for folder in (tmp_path / compiled / "runs").iterdir()]
    execution = runs[0].record["execution"]
    assert execution["compile"] and execution["compile_seconds"]["model"] > 0
    ours, theirs = (run.curves()["train/reconstruction"] for run in runs)
    torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), rtol=1e-4, atol=0, equal_nan=True)


def test_what_is_impossible_is_refused(small: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PushforwardError, match=r"no CUDA graphs on a CPU; use trainer=gpu"):
        train(small("model=vae", "trainer.cuda_graph=true"), tmp_path / "graph")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(PushforwardError, match=r"no C\+\+ compiler no-such-compiler"):
        train(small("model=vae", "trainer.compile=true"), tmp_path / "compile")
    assert Run(tmp_path / "graph").state == "failed"


def test_a_graph_needs_one_process_and_an_optimizer_that_can_be_captured(small: Compose) -> None:
    from pushforward.training import build
    from pushforward.training.acceleration import check

    gpu = ("model=vae", "trainer=gpu", "trainer.cuda_graph=true", "trainer.threads=1")

    def refused(*more: str) -> str:
        frozen = small(*gpu, *more)
        with pytest.raises(PushforwardError) as error:
            check(frozen, build.build_family(frozen, build.build_data(frozen).spec))
        return str(error.value)

    assert "takes one process" in refused("trainer.devices=2")
    assert "SGD of optimizer.model cannot be captured" in refused("optimizer@optimizer.model=sgd")
