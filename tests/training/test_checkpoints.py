"""Damaged checkpoints: found by their checksums, told in one line, and the one before is resumed from, bit for bit."""

import os
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import pushforward as pf
from pushforward.errors import PushforwardError, Unreadable
from pushforward.runs import Run
from pushforward.training import checkpoints
from pushforward.training.session import Session
from pushforward.training.train import train

Compose = Callable[..., dict[str, Any]]


class Runs:
    """Code that a pickle would run."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("ran",)


def flipped(path: Path, where: float) -> None:
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:  # in the middle of a part, not in the padding between parts
        parts = [p for p in archive.infolist() if p.file_size > 16]
        part = parts[int(where * (len(parts) - 1))]
        start = path.read_bytes().index(archive.read(part)[:16])
    content[start + 5] ^= 4
    path.write_bytes(content)


def replaced(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        torch.save(change(torch.load(path, weights_only=True)), path)

    return damage


def compressed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10**7)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "empty": lambda p: p.write_bytes(b""),
    "zeros": lambda p: p.write_bytes(b"\0" * 5000),
    "half": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
    "a byte short": lambda p: p.write_bytes(p.read_bytes()[:-1]),
    "text": lambda p: p.write_text("not a checkpoint"),
    **{f"flipped at {where}": lambda p, w=where: flipped(p, w) for where in (0.0, 0.2, 0.5, 0.8, 1.0)},
    "code": lambda p: torch.save({"state_dict": Runs(), "ema": {}, "progress": {}}, p),
    "compressed": compressed,
    "a list": lambda p: torch.save([1], p),
    "a later version": replaced(lambda state: {**state, "format": 99}),
    "no progress": replaced(lambda state: {**state, "progress": {}}),
    "no weights": replaced(lambda state: {key: value for key, value in state.items() if key != "state_dict"}),
    "a folder": lambda p: (p.unlink(), p.mkdir()),
    "a pipe": lambda p: (p.unlink(), os.mkfifo(p)),
    "a loop": lambda p: (p.unlink(), p.symlink_to(p)),
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run that was stopped after its third validation, and what it is when it was not."""
    from pushforward.composition import compose

    folder = tmp_path_factory.mktemp("runs")
    words = ["model=ae", "data=digits", "network.hidden=[8]", "features=none", "metrics=none", "logger=none"]
    words += ["trainer.threads=1", "trainer.progress=false", "trainer.checkpoint_share=1", "selection.every=0.5"]
    frozen = compose([*words, "budget.epochs=4"])
    assert train(frozen, folder / "whole") == 0
    note, seen = Session.note_values, list[int]()

    def stopping(self: Session, values: dict[str, float]) -> None:
        note(self, values)
        seen.append(self.seen)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "note_values", stopping)
        train(frozen, folder / "stopped")
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert Run(folder / "stopped").state == "stopped"
    return {"frozen": frozen, "stopped": folder / "stopped", "whole": folder / "whole"}


def test_the_one_before_is_kept_until_the_run_is_finished(stopped: dict[str, Any]) -> None:
    last, before = (
        checkpoints.load(stopped["stopped"] / "checkpoints" / name) for name in (checkpoints.LAST, checkpoints.BEFORE)
    )
    assert 0 < before["progress"]["images_seen"] < last["progress"]["images_seen"]
    assert not (stopped["whole"] / "checkpoints" / checkpoints.BEFORE).exists()


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_damaged_is_told_in_one_line(
    kind: str, stopped: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(stopped["stopped"], tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints"
    DAMAGE[kind](folder / checkpoints.LAST)
    with pytest.raises(Unreadable) as refused:
        checkpoints.load(folder / checkpoints.LAST)
    assert "\n" not in str(refused.value) and "last.ckpt" in str(refused.value)
    state, said = checkpoints.latest(folder)
    assert state is not None and "resumed from the one before it" in said
    if kind not in ("a folder", "a pipe", "a loop"):
        DAMAGE[kind](folder / checkpoints.BEFORE)
        with pytest.raises(Unreadable, match=r"remove .*last\.ckpt to train from the start"):
            checkpoints.latest(folder)
    (folder / checkpoints.BEST).unlink(missing_ok=True)
    with pytest.raises(PushforwardError) as refused:
        pf.load(Run(tmp_path / "run"))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["half", "flipped at 0.5"])
def test_a_run_resumes_from_the_one_before_bit_for_bit(
    kind: str, stopped: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where its status, its curves and its best weights are damaged."""
    shutil.copytree(stopped["stopped"], tmp_path / "run")
    DAMAGE[kind](tmp_path / "run" / "checkpoints" / checkpoints.LAST)
    (tmp_path / "run" / "status.json").write_bytes((tmp_path / "run" / "status.json").read_bytes()[:50])
    assert train(stopped["frozen"], tmp_path / "run") == 0
    assert "resumed from the one before it" in capsys.readouterr().out
    ours, theirs = (
        checkpoints.load(run / "checkpoints" / checkpoints.LAST) for run in (tmp_path / "run", stopped["whole"])
    )
    assert all(torch.equal(ours["state_dict"][key], value) for key, value in theirs["state_dict"].items())
    assert ours["curves"] == theirs["curves"] and ours["best"] == theirs["best"]


def test_best_weights_and_curves_that_are_damaged(
    stopped: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(stopped["stopped"], tmp_path / "run")
    DAMAGE["flipped at 0.5"](tmp_path / "run" / "checkpoints" / checkpoints.BEST)
    curves = tmp_path / "run" / "metrics.csv"
    lines = curves.read_text().splitlines(keepends=True)
    curves.write_text("".join([lines[0], "garbage\n", *lines[2:]]))
    with pytest.raises(PushforwardError, match=r"best\.ckpt is damaged .* remove it to measure the last weights"):
        pf.load(Run(tmp_path / "run"))
    assert train(stopped["frozen"], tmp_path / "run") == 0
    text = capsys.readouterr().out
    assert "weights are chosen anew" in text and "metrics.csv is damaged" in text
    assert checkpoints.load(tmp_path / "run" / "checkpoints" / checkpoints.BEST)["progress"]["images_seen"]
    assert len(Run(tmp_path / "run").curves()["images_seen"]) > 5


def test_a_checkpoint_of_another_network(stopped: dict[str, Any], tmp_path: Path, small: Compose) -> None:
    frozen = small("model=ae", "budget.epochs=4", hidden=16)
    (tmp_path / "run").mkdir()
    shutil.copytree(stopped["stopped"] / "checkpoints", tmp_path / "run" / "checkpoints")
    with pytest.raises(PushforwardError, match="of another network or version") as refused:
        train(frozen, tmp_path / "run")
    assert "\n" not in str(refused.value)


def test_how_many_kinds() -> None:
    assert len(DAMAGE) >= 18
