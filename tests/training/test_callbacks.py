"""A person's own Lightning callbacks in a run: what they see, what they may do, and that a stopped run resumes with them."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from pushforward.errors import PushforwardError
from pushforward.runs import Run
from pushforward.training.callbacks import OURS, build_callbacks, states
from pushforward.training.dry_run import rehearse
from pushforward.training.stack_planning import unfit
from pushforward.training.train import train

Compose = Callable[..., dict[str, Any]]
COMMON = ("model=vae", "batch_size=16", "budget.epochs=4", "selection.every=0.25", "optimizer.model.lr=0.01")
STOP = ("callbacks=early_stopping", "callbacks.early_stopping.patience=1", "callbacks.early_stopping.min_delta=2")
ONE_BLOCK = "trainer.max_time=1e-9"
"""A time that is over at the end of the first block, however fast the machine is."""


class Counting(pl.Callback):
    """Counts blocks and validations, and stops after so many blocks."""

    log: list[tuple[str, int]] = []  # noqa: RUF012

    def __init__(self, most: int = 10**9) -> None:
        self.most, self.blocks, self.validations = most, 0, 0

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        self.blocks += 1
        trainer.should_stop = trainer.should_stop or self.blocks == self.most

    def on_validation_end(self, trainer: pl.Trainer, module: Any) -> None:
        self.validations += 1
        Counting.log.append(("validated", self.validations))
        assert {"val/criterion", "val/kl"} <= set(trainer.callback_metrics)

    def on_fit_end(self, trainer: pl.Trainer, module: Any) -> None:
        Counting.log.append(("blocks", self.blocks))

    def state_dict(self) -> dict[str, Any]:
        return {"blocks": self.blocks, "validations": torch.tensor(self.validations)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.blocks, self.validations = state["blocks"], int(state["validations"])


def with_counting(frozen: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **given: Any) -> dict[str, Any]:
    monkeypatch.setenv("PUSHFORWARD_ALLOW_MODULES", __name__.split(".")[0])
    Counting.log.clear()
    own = {"counting": {"_target_": f"{__name__}.Counting", **given}}
    return {**frozen, "callbacks": {**own, **(frozen.get("callbacks") or {})}}


def weights(run: Path, which: str = "last") -> dict[str, Any]:
    return torch.load(run / "checkpoints" / f"{which}.ckpt", weights_only=True)


def train_in_pieces(frozen: dict[str, Any], path: Path) -> int:
    """Trains with an interruption after every block. Returns how often it took."""
    for times in range(1, 200):
        if train(frozen, path) == 0:
            return times
        status = Run(path).status
        assert status["state"] == "stopped" and status["error"] == "stopped by trainer.max_time"
    raise AssertionError("it does not come to its end")


def test_early_stopping_finishes_a_run_which_resumes_bit_for_bit(small: Compose, tmp_path: Path) -> None:
    """The record says so; whole, in pieces, and taken up after its last step, it is one run."""
    frozen, pieces = small(*COMMON, *STOP), small(*COMMON, *STOP, ONE_BLOCK)
    assert train(frozen, tmp_path / "whole") == 0
    whole = Run(tmp_path / "whole")
    early = whole.record["stopped_early"]
    assert early["by"] == "early_stopping" and early["of_images"] == 4 * 1257
    assert whole.status["state"] == "finished" and whole.status["images_seen"] == early["images_seen"] < 3 * 1257
    judged = whole.curves()["val/criterion"]
    judged = judged[np.isfinite(judged)]
    assert judged[-1] > judged[:-1].min() - 2  # what patience=1 and min_delta=2 ask for
    assert all(after < before - 2 for before, after in pairwise(judged[:-1]))

    assert train_in_pieces(pieces, tmp_path / "pieces") > 3
    ours, theirs = weights(tmp_path / "pieces"), weights(tmp_path / "whole")
    assert ours["early"] == theirs["early"] == early and ours["progress"] == theirs["progress"]
    assert all(torch.equal(ours["state_dict"][key], value) for key, value in theirs["state_dict"].items())
    assert ours["callbacks"]["early_stopping"]["wait_count"] == theirs["callbacks"]["early_stopping"]["wait_count"] == 1

    (tmp_path / "whole" / "record.json").unlink()  # killed after its last step
    assert train(frozen, tmp_path / "whole") == 0
    assert Run(tmp_path / "whole").record["stopped_early"] == early
    assert weights(tmp_path / "whole")["progress"] == theirs["progress"]


def test_an_own_callback_is_called_and_keeps_its_state(
    small: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces it counts what it counts in one, and its own stop ends the run at that block."""
    frozen = with_counting(small(*COMMON), monkeypatch, most=5)
    assert train(frozen, tmp_path / "whole") == 0
    assert Run(tmp_path / "whole").record["stopped_early"]["by"] == "counting"
    whole, log = weights(tmp_path / "whole"), list(Counting.log)
    assert log[-1] == ("blocks", 5) and len(log) > 2
    pieces = with_counting(small(*COMMON, ONE_BLOCK), monkeypatch, most=5)
    assert train_in_pieces(pieces, tmp_path / "pieces") == 5
    assert [entry for entry in Counting.log if entry[0] == "validated"] == [e for e in log if e[0] == "validated"]
    ours = weights(tmp_path / "pieces")
    assert ours["callbacks"] == whole["callbacks"]
    assert all(torch.equal(ours["state_dict"][key], value) for key, value in whole["state_dict"].items())


def test_the_learning_rate_monitor_logs_into_the_curves_and_our_loggers(small: Compose, tmp_path: Path) -> None:
    frozen = small(
        *COMMON, "schedule=cosine", "callbacks=learning_rate_monitor", "logger=tensorboard", "budget.epochs=1"
    )
    assert train(frozen, tmp_path / "run") == 0
    curves = Run(tmp_path / "run").curves()
    there = np.isfinite(curves["lr-Adam"])
    seen, rates = curves["images_seen"][there], curves["lr-Adam"][there]
    # a row stands at the end of the block at whose start it was logged; the rate is the step's before, 16 images earlier
    assert list(seen[:-1]) == [256, 512, 768, 1024] and seen[-1] >= 1257
    wanted = [0.01, *(0.01 * 0.5 * (1 + np.cos(np.pi * (at - 256 - 16) / 1257)) for at in (512, 768, 1024, 1280))]
    np.testing.assert_allclose(rates, wanted, rtol=1e-5)  # schedules are float32
    events = next((tmp_path / "run" / "tensorboard").glob("events*")).read_bytes()
    assert b"lr-Adam" in events


def test_nothing_stops_before_the_objective_has_settled(small: Compose, tmp_path: Path) -> None:
    """Patience of one validation and an improvement that nothing reaches: it stops at the second look after two epochs."""
    impatient = (
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=1",
        "callbacks.early_stopping.min_delta=1e9",
    )
    frozen = small(*COMMON, *impatient, "weighting=warmup", "weighting.epochs=2")
    assert train(frozen, tmp_path / "run") == 0
    seen = Run(tmp_path / "run").record["stopped_early"]["images_seen"]
    assert 2 * 1257 <= seen < 3 * 1257


REFUSED = [
    (("callbacks.early_stopping.monitor=val/kll",), r"^callbacks\.early_stopping\.monitor=val/kll: choose from .*val/kl"),
    (("model=gan", "network=mlp"), r"monitor=val/criterion: nothing is validated: set selection\.metric=fd_lenet$"),
    (("weighting=cyclical",), r"^callbacks\.early_stopping: the objective still changes when the budget ends"),
    (("callbacks.early_stopping._target_=pytorch_lightning.callbacks.Timer",), r"no such argument"),
    (("+callbacks.own={_target_: torch.nn.ReLU}",), r"^callbacks\.own: ReLU is no pytorch_lightning\.Callback$"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "line"), REFUSED, ids=lambda v: v[0][:40] if isinstance(v, tuple) else "")
def test_what_cannot_act_is_refused_before_training(small: Compose, overrides: tuple[str, ...], line: str) -> None:
    with pytest.raises(PushforwardError, match=line) as refused:
        rehearse([small("model=vae", "callbacks=early_stopping", *overrides)])
    assert "\n" not in str(refused.value)


def test_what_a_run_does_itself_is_refused_with_what_to_use(small: Compose) -> None:
    nodes = {
        "Timer": "duration: '00:00:01:00'", "ModelCheckpoint": "monitor: val/kl", "TQDMProgressBar": "leave: true",
        "GradientAccumulationScheduler": "scheduling: {1: 2}", "EMAWeightAveraging": "decay: 0.9",
        "OnExceptionCheckpoint": "dirpath: x",
    }  # fmt: skip
    for name, given in nodes.items():
        frozen = small("model=vae", f"+callbacks.own={{_target_: pytorch_lightning.callbacks.{name}, {given}}}")
        with pytest.raises(PushforwardError, match=rf"^callbacks\.own: {name} has no place in a run: "):
            build_callbacks(frozen)
    assert len(OURS) == 11


def test_a_state_that_could_not_be_read_again_is_refused() -> None:
    counting = Counting()
    assert states({"own": counting}) == {"own": counting.state_dict()}
    counting.state_dict = lambda: {"a": [{"b": np.zeros(2)}]}  # type: ignore[method-assign]
    with pytest.raises(PushforwardError, match=r"^callbacks\.own: its state holds a ndarray, "):
        states({"own": counting})


def test_runs_with_callbacks_are_not_stacked(small: Compose) -> None:
    assert unfit(small("model=vae")) is None
    assert unfit(small("model=vae", "callbacks=early_stopping")) == "it has callbacks, which are for a run alone"
    for setting in ("accumulate=2", "max_time=60", "profiler=simple"):
        assert unfit(small("model=vae", f"trainer.{setting}")) == f"trainer.{setting.split('=')[0]} is for a run alone"
