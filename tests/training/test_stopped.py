"""A run that a signal, a full disk or a deleted folder ends says so in one line, and the same command resumes."""

import errno
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pushforward import atomic_files, config
from pushforward.crash_report import SYSTEM
from pushforward.engine.stepper import Stepper
from pushforward.launch import standing
from pushforward.runs import Run
from pushforward.signals import STOPPING
from pushforward.training import build, checkpoints, conclude, pictures
from pushforward.training import train as module

Compose = Callable[..., dict[str, Any]]
BUDGET = ("model=vae", "budget.images=2048", "budget.epochs=null", "batch_size=32", "selection.every=0.5")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "draw", lambda *_: [])
    monkeypatch.delenv("PUSHFORWARD_FULL_ERROR", raising=False)


@pytest.fixture(autouse=True)
def hangup() -> Iterator[None]:
    """A hangup counts as in a terminal, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def place(frozen: dict[str, Any]) -> Path:
    from pushforward.runs import runs_dir

    return runs_dir() / config.run_id(frozen)


def before(act: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    """It acts while the run is built."""
    build_data = build.build_data
    patch.setattr(build, "build_data", lambda frozen: (act(), build_data(frozen))[1])


def within(act: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    """It acts in the run's fifth step."""
    step = Stepper.step

    def acting(self: Stepper, player: Any, *args: Any) -> Any:
        if self.family.progress.steps.get(player.name, 0) == 4:
            act()
        return step(self, player, *args)

    patch.setattr(Stepper, "step", acting)


def measuring(act: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    """It acts when the run is measured."""
    evaluate = conclude.evaluate
    patch.setattr(conclude, "evaluate", lambda *args, **more: (act(), evaluate(*args, **more))[1])


MOMENTS = {"before": before, "within": within, "measuring": measuring}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_stops_a_run_at_any_moment(
    number: int, moment: str, small: Compose, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen, handlers = small(*BUDGET), [signal.getsignal(n) for n in STOPPING]
    path = place(frozen)
    with monkeypatch.context() as patch:
        MOMENTS[moment](lambda: os.kill(os.getpid(), number), patch)
        assert module.train(frozen, path) == 128 + number
    assert [signal.getsignal(n) for n in STOPPING] == handlers
    said = "interrupted" if number == signal.SIGINT else f"interrupted by {signal.Signals(number).name}"
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == f"{said}; the same command resumes" and shown.err == ""
    stopped = Run(path)
    assert (stopped.state, stopped.status["error"]) == ("stopped", said)
    assert (path / "checkpoints" / "last.ckpt").exists() == (moment != "before")
    assert standing(path, frozen) is None
    assert module.train(frozen, path) == 0 and Run(path).state == "finished"


def test_a_full_disk_stops_a_run_and_the_same_command_resumes(
    small: Compose, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the second checkpoint on nothing more can be written, the status included."""
    frozen, sync, saved = small(*BUDGET), atomic_files.sync, list[str]()
    path = place(frozen)

    def full(file: Path) -> None:
        saved.extend(["last"] * file.name.endswith("last.ckpt"))
        if len(saved) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)

    with monkeypatch.context() as patch:
        patch.setattr(atomic_files, "sync", full)
        assert module.train(frozen, path) == SYSTEM
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "last.ckpt: no space left on device; make room; what was trained up to " in line
    assert "images is safe; the same command resumes; the traceback is in " in line
    assert Run(path).state.startswith("stopped") and standing(path, frozen) is None, "no retry=failed"
    seen = checkpoints.load(path / "checkpoints" / "last.ckpt")["progress"]["images_seen"]
    assert not list(path.rglob(f"{atomic_files.ASIDE}*"))
    assert module.train(frozen, path) == 0
    assert f"from {seen:,} images seen" in capsys.readouterr().out and Run(path).state == "finished"


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    """torch hides what the system said."""
    file, (soft, hard) = tmp_path / "last.ckpt", resource.getrlimit(resource.RLIMIT_FSIZE)
    checkpoints.write(file, {"a": torch.ones(3)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError) as refused:
            checkpoints.write(file, {"a": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (refused.value.errno, refused.value.filename) == (errno.EFBIG, str(file))
    assert torch.equal(torch.load(file, weights_only=True)["a"], torch.ones(3)) and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_deleted_is_not_made_anew(
    small: Compose, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = small(*BUDGET)
    path = place(frozen)
    with monkeypatch.context() as patch:
        within(lambda: shutil.rmtree(path, ignore_errors=True), patch)
        assert module.train(frozen, path) == SYSTEM
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "no such file or directory; it was moved or deleted; no checkpoint" in line
    assert not path.exists()
    assert module.train(frozen, path) == 0


def test_a_read_only_place_is_one_line(small: Compose, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from pushforward import cli

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "/outputs/runs")

    small()
    monkeypatch.setattr(Path, "mkdir", refused)
    code = cli.run(["train", "model=vae", "data=digits", "features=none", "metrics=none", "logger=none"])
    shown = capsys.readouterr().err
    assert code == SYSTEM and shown.startswith("error: /outputs/runs: read-only file system; set PUSHFORWARD_OUTPUTS")
    assert shown.count("\n") == 1
