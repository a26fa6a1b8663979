"""Runs trained as one: each becomes the run that it would have been alone."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.launch import freeze_to
from pushforward.runs import Run, RunDir, runs_dir
from pushforward.training import stacked_runs
from pushforward.training.checkpoints import load

Compose = Callable[..., dict[str, Any]]
VAE = ("model=vae", "condition=labels", "budget.epochs=3", "selection.every=0.5", "optimizer.model.ema=0.9")
GAN = ("model=gan", "network=mlp", "budget.epochs=2")


@pytest.fixture
def written(small: Compose) -> Callable[..., list[Path]]:
    """Overrides, those of each run -> files of their frozen configs."""
    from pushforward import config

    def write(common: tuple[str, ...], *own: str) -> list[Path]:
        every = [small(*common, *overrides.split()) for overrides in own]
        return [freeze_to(frozen, runs_dir() / config.run_id(frozen)) for frozen in every]

    return write


def together(files: list[Path]) -> list[Run]:
    assert stacked_runs.main([str(file) for file in files]) == 0
    return [Run(file.parent) for file in files]


def alone(files: list[Path], elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """The same runs one after the other, in another folder of outputs."""
    import yaml

    from pushforward.training.train import train

    every = []
    for file in files:
        path = elsewhere / file.parent.name
        assert train(yaml.safe_load(file.read_text()), path) == 0
        every.append(Run(path))
    return every


def same(found: Run, wanted: Run) -> None:
    """Curves, weights and choice of weights; 1e-4: a stacked product sums in another order."""
    ours, theirs = found.curves(), wanted.curves()
    assert ours.keys() == theirs.keys() and len(ours["images_seen"]) > 2
    for name, column in theirs.items():
        np.testing.assert_allclose(ours[name], column, rtol=1e-4, atol=1e-6, err_msg=name)
    for file in wanted.checkpoints.glob("*.ckpt"):
        mine, other = load(found.checkpoints / file.name), load(file)
        assert mine.keys() == other.keys() and mine["progress"] == other["progress"]
        for key, value in other["state_dict"].items():
            torch.testing.assert_close(mine["state_dict"][key], value, rtol=1e-3, atol=1e-4)
        assert abs((found.checkpoints / file.name).stat().st_size / file.stat().st_size - 1) < 0.1, (
            "its own weights alone"
        )


@pytest.mark.parametrize(
    ("common", "own"),
    [
        (VAE, ("seed=1", "seed=2 weighting.beta=4", "seed=3 optimizer.model.lr=3e-4")),
        (GAN, ("seed=1", "seed=2 optimizer.generator.lr=1e-4")),
        ((*VAE, "data.binarize=dynamic", "weighting=warmup", "weighting.epochs=2"), ("seed=1", "seed=2")),
    ],
)
def test_each_is_the_run_it_would_be_alone(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, common: tuple[str, ...], own: tuple[str, ...]
) -> None:
    files = written(common, *own)
    runs = together(files)
    assert [run.state for run in runs] == ["finished"] * len(own)
    for run, wanted in zip(runs, alone(files, tmp_path / "alone", monkeypatch), strict=True):
        same(run, wanted)
        assert run.record["execution"]["executed"] == "vectorized"
        assert run.record["execution"]["replicas"] == len(own)
        assert wanted.record["execution"]["executed"] == "alone"
        assert sorted(p.name for p in run.samples.iterdir()) == sorted(p.name for p in wanted.samples.iterdir())


def stopped(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """The runs after SIGTERM came in the second block of their stack."""
    go, blocks = stacked_runs.between_blocks, [0]

    def signalled(*args: Any) -> None:
        blocks[0] += 1
        if blocks[0] == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        go(*args)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with monkeypatch.context() as patch:
        patch.setattr(stacked_runs, "between_blocks", signalled)
        runs = together(files)
    for number, handler in before.items():
        signal.signal(number, handler)
    return runs


def test_what_was_stopped_goes_on_alone_or_together(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = written((*VAE, "trainer.checkpoint_share=1"), "seed=1", "seed=2", "seed=3")
    runs = stopped(files, monkeypatch)
    assert [run.state for run in runs] == ["stopped"] * 3
    assert runs[0].status["error"] == "interrupted by SIGTERM"
    from pushforward.training.train import train

    assert train(runs[0].config, runs[0].path) == 0  # one goes on alone …
    (runs[1].checkpoints / "last.ckpt").unlink()  # … one begins again, and what is ahead waits for it
    runs = together(files[1:])
    assert [run.state for run in runs] == ["finished"] * 2
    every = [Run(file.parent) for file in files]
    for run, wanted in zip(every[1:2], alone(files[1:2], tmp_path / "alone", monkeypatch), strict=True):
        same(run, wanted)
    for run, wanted in zip(every, alone(files, tmp_path / "again", monkeypatch), strict=True):
        ours, theirs = load(run.checkpoints / "last.ckpt"), load(wanted.checkpoints / "last.ckpt")
        assert ours["progress"] == theirs["progress"]
        for key, value in theirs["state_dict"].items():
            torch.testing.assert_close(ours["state_dict"][key], value, rtol=1e-3, atol=1e-4)


def test_one_that_lacks_its_record_alone_is_stopped_with_the_others(
    written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed after its last step: it is trained, waits for the others, and resumes with its measures."""
    files = written(VAE, "seed=1", "seed=2", "seed=3")
    together(files[:1])
    (files[0].parent / "record.json").unlink()
    runs = stopped(files, monkeypatch)
    assert [(run.state, run.status["error"]) for run in runs] == [("stopped", "interrupted by SIGTERM")] * 3
    assert [run.state for run in together(files)] == ["finished"] * 3


def test_one_that_diverges_leaves_the_others(written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = written(VAE, "seed=1", "seed=2 optimizer.model.lr=1e30", "seed=3")
    runs = together(files)
    assert [run.state for run in runs] == ["finished", "diverged", "finished"]
    assert "not finite from step" in runs[1].status["error"]
    assert not (runs[1].checkpoints / "last.ckpt").exists(), "what is not finite is never saved"
    for run, wanted in zip(runs[::2], alone(files[::2], tmp_path / "alone", monkeypatch), strict=True):
        same(run, wanted)


def test_one_that_fails_while_it_is_measured_leaves_the_others(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    files = written(VAE, "seed=1", "seed=2")
    conclude = stacked_runs.conclude

    def fails(session: Any) -> None:
        if session.frozen["seed"] == 1:
            raise RuntimeError("out of luck")
        conclude(session)

    monkeypatch.setattr(stacked_runs, "conclude", fails)
    runs = together(files)
    assert [(run.state, run.status["error"]) for run in runs] == [
        ("failed", f"RuntimeError: out of luck (test_stacked_runs.py, line {fails.__code__.co_firstlineno + 2})"),
        ("finished", None),
    ]


def test_an_error_while_they_train_ends_them_all(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    files = written(VAE, "seed=1", "seed=2")

    def fails(*_: Any) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(stacked_runs, "between_blocks", fails)
    for run in together(files):
        assert run.state == "failed" and run.status["error"].startswith(
            "RuntimeError: no memory (test_stacked_runs.py, "
        )


def test_a_run_that_another_trains_is_left(written: Any, capsys: pytest.CaptureFixture[str]) -> None:
    files = written(VAE, "seed=1", "seed=2", "seed=3")
    other = RunDir(files[1].parent)
    assert other.lock.acquire()
    together(files)
    other.lock.release()
    assert [Run(file.parent).state for file in files] == ["finished", "new", "finished"]
    assert f"{files[1].parent}: another process is training this run" in capsys.readouterr().out


def test_wandb_has_a_run_for_each(written: Any, read_wandb: Any) -> None:
    import wandb

    files = written((*VAE, "logger=wandb", "logger.mode=offline"), "seed=1", "seed=2")
    runs = together(files)
    wandb.teardown()  # as at the end of a process: the service has written all when this returns
    for run in runs:
        seen = read_wandb(run.path)
        assert seen.exit_code == 0
        np.testing.assert_allclose(
            list(seen.column("val/total").values()), [v for v in run.curves()["val/total"] if np.isfinite(v)], rtol=1e-6
        )
