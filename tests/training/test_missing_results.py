"""Measures and pictures fail alone: a trained run is finished, says what it lacks and why, and is measured again."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushforward.protocol.likelihood import Likelihood
from pushforward.report import figures
from pushforward.report.tables import build as table
from pushforward.runs import Run, RunDir
from pushforward.training import pictures
from pushforward.training.evaluate_again import evaluate_again
from pushforward.training.load_run import load
from pushforward.training.train import train

Compose = Callable[..., dict[str, Any]]
QUICK = (
    "model=vae", "batch_size=8", "budget.images=64", "budget.epochs=null", "metrics=default", "metrics.images=100",
    "network.hidden=[8]",
)  # fmt: skip


def breaks(*_: Any) -> Any:
    raise RuntimeError("out of luck")


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def trained(frozen: dict[str, Any], path: Path) -> Run:
    assert train(frozen, path) == 0
    run = Run(path)
    assert run.state == "finished" and load(run).sample(2).shape[0] == 2, "its weights are there"
    return run


def test_a_measure_and_a_picture_fail_alone_and_are_tried_again(
    small: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Likelihood, "__call__", breaks)
    monkeypatch.setattr(pictures, "interpolation", breaks)
    monkeypatch.setitem(figures.DRAW, "latent", breaks)
    run = trained(small(*QUICK), tmp_path / "run")
    why = f"RuntimeError: out of luck (test_missing_results.py, line {breaks.__code__.co_firstlineno + 1})"
    lacking = ["metrics.likelihood", "pictures.interpolation", "pictures.latent"]
    assert run.record["failed"] == dict.fromkeys(lacking, why)
    assert "psnr" in run.metrics and "bpd" not in run.metrics
    assert {path.stem for path in run.samples.glob("*.png")} >= {"samples", "reconstructions", "traversal", "curves"}
    said = capsys.readouterr().out
    assert f"metrics.likelihood failed: {why}" in said
    assert "the weights are safe: pushforward evaluate run tries again" in said
    assert any(f"metrics.likelihood failed: {why} (run)" in note for note in table([run]).notes)
    assert "Traceback" in (run.path / "console.log").read_text() and "Traceback" not in said
    monkeypatch.undo()
    assert evaluate_again(run, [])[1] == []
    again = Run(run.path)
    assert again.record["failed"] == {} and again.metrics["bpd"]["value"] is not None
    assert {path.stem for path in again.samples.glob("*.png")} >= {"interpolation", "latent"}


@pytest.mark.parametrize("writes", ["write_record", "update_record", "write_arrays"])
def test_a_disk_that_is_full_at_the_end_loses_no_training(
    small: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: str
) -> None:
    monkeypatch.setattr(RunDir, writes, full)
    run = trained(small(*QUICK, "metrics=none", "+measure@metrics.reconstruction=reconstruction"), tmp_path / "run")
    told = str(run.status["error"]) + str(run.record.get("failed"))
    assert "No space left on device" in told
    monkeypatch.undo()
    assert evaluate_again(run, [])[1] == []
    again = Run(run.path)
    assert again.status["error"] is None and not again.record["failed"]
    assert again.metrics["mse"]["value"] is not None and (again.samples / "samples.png").is_file()


@pytest.mark.parametrize(
    "overrides",
    [
        "data.test=4",
        "data.test=1",
        "data.test=0",
        "data.validation=0",
        "data.validation=1",
        "model.code_dim=1",
    ],
)
def test_little_to_measure_on_does_not_fail_a_run(small: Compose, tmp_path: Path, overrides: str) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "mine.npz", x=rng.integers(0, 256, (60, 8, 8), dtype=np.uint8))
    own = ("data=npz", f"data.source.path={tmp_path / 'mine.npz'}", "features=pixels")
    run = trained(small(*QUICK, *own, overrides), tmp_path / "run")
    assert (run.samples / "samples.png").is_file()
    if overrides != "data.test=0":
        assert not run.record["failed"]
    else:
        assert set(run.record["failed"].values()) == {"there are no test images to measure on; see data.test"}


@pytest.mark.parametrize("model", ["ae", "vae", "gan", "realnvp", "ddpm"])
def test_a_mean_over_no_images_is_no_number(small: Compose, tmp_path: Path, model: str) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "mine.npz", x=rng.integers(0, 256, (40, 8, 8), dtype=np.uint8))
    own = ("data=npz", f"data.source.path={tmp_path / 'mine.npz'}", "features=pixels", "data.test=0")
    sizes = [o for o in QUICK if not o.startswith(("model", "network"))]
    asked = ("metrics=all", "~measure@metrics.cost")  # what training cost is known without test images
    assert train(small(f"model={model}", *own, *sizes, *asked, hidden=None), tmp_path / "run") == 0
    run = Run(tmp_path / "run")
    entries = run.record["metrics"]
    assert len(entries) > 20 and all(entry["value"] is None for entry in entries.values())
    why = {name: entry["na"] for name, entry in entries.items()}
    assert all(why.values()) and not [reason for reason in why.values() if "not finite" in reason]
    if model in ("ae", "vae"):
        assert why["mse"] == why["dead_units"] == "there are no test images to measure on; see data.test"


def test_the_status_says_what_is_measured(small: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pushforward.report.status import main_metric, standing

    seen = []
    measure = Likelihood.__call__

    def looks(self: Likelihood, subject: Any) -> Any:
        run = Run(tmp_path / "run")
        seen.append((run.state, standing(run), main_metric(run)))
        return measure(self, subject)

    monkeypatch.setattr(Likelihood, "__call__", looks)
    run = trained(small(*QUICK), tmp_path / "run")
    assert seen == [("running", "measuring", "likelihood, 4 of 10")]
    assert run.status["phase"] is None and standing(run) == "finished"
