"""What the mirrors of a run hold: an offline W&B file read back, TensorBoard's event file, and which mode is taken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushforward.errors import PushforwardError

Compose = Callable[..., dict[str, Any]]
QUICK = ("budget.epochs=2", "logger.mode=offline")


def train(frozen: dict[str, Any], path: Path) -> int:
    from pushforward.training.train import train

    return train(frozen, path)


def test_an_offline_wandb_file_holds_config_terms_and_pictures(small: Compose, tmp_path: Path, read_wandb: Any) -> None:
    """Two runs in one process, each in a file of its own."""
    from pushforward.runs import Run

    for seed in (1, 2):
        frozen = small("model=vae", "logger=wandb", *QUICK, f"seed={seed}", "tags=[mine]", "logger.group=study")
        folder = tmp_path / f"vae-{seed}"
        assert train(frozen, folder) == 0
        logged = read_wandb(folder)
        [run] = {(r.run_id, r.display_name, r.run_group, r.job_type, tuple(r.tags)) for r in logged.runs}
        assert run == (f"vae-{seed}", f"vae-{seed}", "study", "train", ("vae", "digits", "mine"))
        for key in ("seed", "batch_size", "budget", "model", "choices"):
            assert logged.config[key] == frozen[key], key
        curves = Run(folder).curves()
        for name in ("train/reconstruction", "train/kl", "lr/model", "val/kl", "val/criterion"):
            column = logged.column(name)
            expected = {int(s): v for s, v in zip(curves["images_seen"], curves[name], strict=True) if v == v}
            assert len(expected) >= 2 and column == pytest.approx(expected), name
        pictures = {k: v for row in logged.history for k, v in row.items() if k.startswith("pictures/")}
        assert {"pictures/samples", "pictures/reconstructions"} <= set(pictures)
        media = [next((folder / "wandb").glob(f"offline-run-*/files/{p['path']}")) for p in pictures.values()]
        drawn = {path.stem: path.read_bytes() for path in (folder / "samples").glob("*.png")}
        assert len(media) == len(drawn)
        for key, file in zip(pictures, media, strict=True):
            assert file.read_bytes() == drawn[key.removeprefix("pictures/")]
        assert logged.exit_code == 0
        assert logged.runs[0].notes.startswith("pushforward train model=vae data=digits")
        speeds = logged.column("images_per_second")
        assert set(speeds) == set(logged.column("train/kl")) and min(speeds.values()) > 0
        assert "images_per_second" not in curves, "the curves are the same in every repetition"
        best = checkpoint_of(folder)["best"]
        assert logged.summary["best/val/criterion"] == pytest.approx(best["value"])
        assert logged.summary["best/images_seen"] == best["images_seen"]
        drawings = [row["images_seen"] for row in logged.history if "pictures/samples" in row]
        assert drawings == [1024, 2048, 2560], "after each block that a fifth of the budget ends in"


def checkpoint_of(folder: Path) -> dict[str, Any]:
    import torch

    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (f"tags=[{'a' * 65}]", ["tags:", "65 characters", "1 to 64"]),
        ("tags=['']", ["tags:", "0 characters"]),
        ("logger.project=a%b", ["logger.project=a%b", "it has %"]),
        ("logger.project=" + "a" * 129, ["129 characters", "1 to 128"]),
        ("logger.mode=sometimes", ["logger.mode=sometimes", "auto, online, offline"]),
    ],
)
def test_what_wandb_would_refuse_is_refused_before(small: Compose, override: str, words: list[str]) -> None:
    from pushforward.training.dry_run import rehearse

    with pytest.raises(PushforwardError) as refused:
        rehearse([small("model=vae", "logger=wandb", override)])
    assert [word for word in words if word not in str(refused.value)] == []


def test_an_offline_run_says_how_to_send_it(small: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(small("model=vae", "logger=wandb", "logger.mode=offline", "budget.epochs=0.2"), tmp_path / "run") == 0
    shown = capsys.readouterr().out
    assert "wandb: this run is logged offline; pushforward sync run sends it\n" in shown and shown.count("wandb:") == 1


def test_a_failure_is_recorded_as_one(
    small: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_wandb: Any
) -> None:
    from pushforward.runs import Run
    from pushforward.training import train as module

    def fails(*_: Any) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(module, "fit", fails)
    assert train(small("model=vae", "logger=wandb", *QUICK), tmp_path / "fails") == 1
    assert read_wandb(tmp_path / "fails").exit_code == 1
    run = Run(tmp_path / "fails")
    assert run.state == "failed" and run.status["error"].startswith("RuntimeError: out of luck (test_loggers.py, ")


def test_divergence_is_recorded_as_a_failure(small: Compose, tmp_path: Path, read_wandb: Any) -> None:
    assert train(small("model=vae", "logger=wandb", *QUICK, "optimizer.model.lr=1e30"), tmp_path / "diverges") == 1
    assert read_wandb(tmp_path / "diverges").exit_code == 1


@pytest.fixture
def modes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """mode -> the modes in which W&B was started, one after the other."""
    import wandb

    from pushforward.training import loggers

    def started(mode: str, answers: bool = True) -> list[str]:
        seen: list[str] = []
        init = wandb.init

        def fake(mode: str, **arguments: Any) -> Any:
            seen.append(mode)
            if mode == "online" and not answers:
                raise TimeoutError("no answer within 20 s")
            return init(mode="disabled", **arguments)

        monkeypatch.setattr(wandb, "init", fake)
        frozen = {"choices": {"model": "vae", "data": "digits"}, "tags": []}
        loggers.wandb_logger(tmp_path, frozen, "p", None, None, mode, 20, True).finish(failed=False)
        monkeypatch.setattr(wandb, "init", init)
        return seen

    monkeypatch.delenv("WANDB_MODE", raising=False)
    return started


def test_without_a_key_it_is_offline(modes: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    from pushforward.training import loggers

    monkeypatch.setattr(loggers, "has_key", lambda: False)
    assert modes("auto") == ["offline"]
    monkeypatch.setattr(loggers, "has_key", lambda: True)
    assert modes("auto") == ["online"]
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert modes("auto") == modes("online") == ["offline"]


def test_without_an_answer_it_goes_on_offline(
    modes: Callable[..., list[str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert modes("online", answers=False) == ["online", "offline"]
    assert "no answer within 20 s" in capsys.readouterr().out
    with pytest.raises(PushforwardError, match=r"logger.mode=on: choose from auto, online, offline"):
        modes("on")


def test_tensorboard_holds_scalars_and_pictures(small: Compose, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from pushforward.runs import Run

    assert train(small("model=vae", "logger=tensorboard", "budget.epochs=2"), tmp_path / "run") == 0
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    curves = Run(tmp_path / "run").curves()
    for name in ("train/reconstruction", "val/kl"):
        expected = {int(s): v for s, v in zip(curves["images_seen"], curves[name], strict=True) if v == v}
        assert {e.step: e.value for e in events.Scalars(name)} == pytest.approx(expected)
    assert {"pictures/samples", "pictures/reconstructions"} <= set(events.Tags()["images"])
