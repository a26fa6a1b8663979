"""A run is finished where its counters say so, and never by default."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml

from pushforward.families import VariationalAutoencoder
from pushforward.runs import Run
from pushforward.training import block_schedule, stacked_runs
from pushforward.training.lightning_host import RunCallback
from pushforward.training.train import train

Compose = Callable[..., dict[str, Any]]
PLAN = ("model=vae", "batch_size=16", "budget.images=2048", "budget.epochs=null", "trainer.record=false")
LATE = 1024
"""Images after which something goes wrong."""


def leaves_an_iterator(*_: Any) -> Any:
    return next(iter(()))


def closes_a_generator(*_: Any) -> Any:
    raise GeneratorExit


def exits(*_: Any) -> Any:
    raise SystemExit(0)


def breaks(*_: Any) -> Any:
    raise KeyError("gamma")


@pytest.fixture
def loss_that(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], Any]], None]:
    """Has a VAE's loss do something of its own once it has seen so many images."""
    loss = VariationalAutoencoder.loss

    def arrange(does: Callable[[Any], Any], late: int = LATE) -> None:
        def own(self: Any, *args: Any) -> Any:
            found = loss(self, *args)
            return does(found) if self.progress.images_seen > late else found

        monkeypatch.setattr(VariationalAutoencoder, "loss", own)

    return arrange


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (leaves_an_iterator, "RuntimeError: a step raised StopIteration (test_finished.py, line"),
        (closes_a_generator, "GeneratorExit (test_finished.py, line"),
        (exits, "SystemExit: 0 (test_finished.py, line"),
        (breaks, "KeyError: 'gamma' (test_finished.py, line"),
    ],
)
def test_what_a_loop_would_swallow_ends_the_run_as_failed(
    small: Compose, tmp_path: Path, loss_that: Any, does: Any, said: str
) -> None:
    loss_that(does)
    assert train(small(*PLAN), tmp_path / "run") == 1
    run = Run(tmp_path / "run")
    assert run.state == "failed" and said in run.status["error"]


def test_so_does_what_a_callback_raises(small: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_schedule, "measure", leaves_an_iterator)
    assert train(small(*PLAN), tmp_path / "run") == 1
    error = Run(tmp_path / "run").status["error"]
    assert error.startswith("training ended at 1,280 of 2,048 images: StopIteration (test_finished.py, line")


@pytest.mark.parametrize("does", [leaves_an_iterator, closes_a_generator, exits, breaks])
def test_the_same_in_a_stack(small: Compose, tmp_path: Path, loss_that: Any, does: Any) -> None:
    loss_that(does, late=0)
    runs = together(small, tmp_path)
    assert [run.state for run in runs] == ["failed"] * 2
    assert all("test_finished.py, line" in run.status["error"] for run in runs)


def together(small: Compose, folder: Path) -> list[Run]:
    """Two runs after they were trained as a stack."""
    files = [folder / str(seed) / "frozen.yaml" for seed in (1, 2)]
    for seed, file in enumerate(files, 1):
        file.parent.mkdir()
        file.write_text(yaml.safe_dump(small(*PLAN, f"seed={seed}")))
    stacked_runs.main([str(file) for file in files])
    return [Run(file.parent) for file in files]


def test_a_callback_that_stops_training_has_not_finished_it(
    small: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = RunCallback.on_train_batch_end

    def stops(self: RunCallback, trainer: pl.Trainer, family: Any, *args: Any) -> None:
        ends(self, trainer, family, *args)
        trainer.should_stop = family.progress.images_seen >= LATE

    monkeypatch.setattr(RunCallback, "on_train_batch_end", stops)
    assert train(small(*PLAN), tmp_path / "run") == 1
    run = Run(tmp_path / "run")
    assert run.state == "failed" and run.status["error"].startswith("training ended at 1,")
    assert run.status["error"].endswith("of 2,048 images: a callback or the data stopped it")
    monkeypatch.undo()
    assert train({**small(*PLAN), "retry": "failed"}, tmp_path / "run") == 0, "it resumes"


def spoils(found: Any) -> Any:
    """A total that is not finite while its terms, its gradient and so the weights are."""
    return found._replace(total=found.total + torch.nan)


def test_what_is_minimised_is_watched_like_its_terms(small: Compose, tmp_path: Path, loss_that: Any) -> None:
    loss_that(spoils)
    assert train(small(*PLAN), tmp_path / "run") == 1
    run = Run(tmp_path / "run")
    assert (run.state, run.status["error"]) == ("diverged", "what player model minimises is not finite from step 64 on")
    assert "train/total" not in run.curves(), "it may be a surrogate"


def test_what_a_stack_minimises_is_watched(small: Compose, tmp_path: Path, loss_that: Any) -> None:
    loss_that(spoils, late=0)
    for run in together(small, tmp_path):
        assert run.status["error"] == "what player model minimises is not finite from step 0 on"


def test_equal_runs_end_with_equal_numbers(small: Compose, tmp_path: Path) -> None:
    from pushforward.report.status import main_metric

    said = []
    for name in ("a", "b"):
        assert train(small(*PLAN, "selection.every=0.3"), tmp_path / name) == 0
        said.append(main_metric(Run(tmp_path / name)))
    values = Run(tmp_path / "a").curves()["val/criterion"]
    best = float(min(values[values == values]))
    assert said[0] == said[1] == f"val/criterion {best:.4g}"
