"""Scores in recipes' headers, from records that are made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushforward import config
from pushforward.composition import compose
from pushforward.recipes import header
from pushforward.runs import Run, RunDir
from write_scores import main, refusal, score, written

Make = Callable[..., Run]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """make(seed, epochs=…, state=…, overrides=…, mse=…): a run of the recipe `ae` as it stands, with these numbers."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))

    def made(seed: int, *overrides: str, epochs: int = 40, state: str = "finished", **values: Any) -> Run:
        frozen = compose(["model=ae", "data=digits", f"seed={seed}", f"budget.epochs={epochs}", *overrides])
        run = RunDir.create(tmp_path / "outputs" / "runs" / config.run_id(frozen), frozen)
        run.set_status(
            state=state, identity=config.identity(frozen), images_seen=1257 * epochs, budget_images=1257 * epochs
        )
        numbers = {"mse": values.get("mse", 0.02), "fd_lenet_mixture": values.get("fd", 60.0)}
        record = {
            name: {"value": value, "unit": "per pixel" if name == "mse" else "feature²", "card": {}, "na": None}
            | {"column": {"headline": 3} if name == "mse" else {}}
            for name, value in numbers.items()
        }
        run.write_record(record, improving=False, cost={"train_seconds": values.get("seconds", 12.0)})
        return Run(run.path)

    return made


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "ae.yaml").write_text(
        (config.conf_dir() / "model" / "ae.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    return folder


def test_means_over_seeds_of_the_largest_budget(make: Make, recipes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(1, mse=0.02, fd=60.0, seconds=11.0), make(2, mse=0.03, fd=70.0, seconds=14.0), make(1, epochs=1, mse=0.5)
    assert main(["--runs", "model=ae", "--recipes", str(recipes)]) == 0
    expected = "digits: mse 0.0250 ± 0.0071 per pixel, fd_lenet_mixture 65.0 ± 7.1, 12 s (40 epochs, 2 seeds)"
    assert [line for line in header(recipes / "ae.yaml").measured if line.startswith("digits")] == [expected]
    before = (recipes / "ae.yaml").read_bytes()
    assert "1 recipes, 1 headers changed" in capsys.readouterr().out
    assert main(["--runs", "model=ae", "--recipes", str(recipes), "--check"]) == 0, "the same runs, the same lines"
    assert "0 headers would change" in capsys.readouterr().out and (recipes / "ae.yaml").read_bytes() == before


def test_what_says_nothing_of_the_recipe_is_refused_in_a_line(
    make: Make, recipes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed, other = make(1, state="failed"), make(2, "model.code_dim=3")
    stale = make(3, "results=1")
    before = (recipes / "ae.yaml").read_bytes()
    assert main(["--runs", "model=ae", "--recipes", str(recipes)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert sorted(said) == sorted(
        [
            f"{failed.id}: it is failed",
            f"{other.id}: it is not what its recipe trains now",
            f"{stale.id}: it was trained under results 1, now {config.RESULTS}",
        ]
    )
    assert (recipes / "ae.yaml").read_bytes() == before
    assert main(["--runs", "model=nothing"]) == 2 and "error: No run matches" in capsys.readouterr().err


def test_seed_budget_and_selection_are_no_other_recipe(make: Make) -> None:
    assert refusal(make(7, "selection.every=3", "trainer.threads=1", epochs=3)) == ""


def test_short_times_and_one_seed(make: Make) -> None:
    run = make(1, mse=0.02, seconds=1.26, epochs=1)
    assert score([run]) == "mse 0.02 per pixel, fd_lenet_mixture 60, 1.3 s (1 epoch, 1 seed)"


def test_other_data_sets_keep_their_lines() -> None:
    text = "# ae: A.\n# pushforward train model=ae\n# measured on mnist: mse 1\ndefaults: []\n"
    first = written(text, {"digits": "mse 2"})
    assert first == (
        "# ae: A.\n# pushforward train model=ae\n# measured on digits: mse 2\n# measured on mnist: mse 1\ndefaults: []\n"
    )
    assert written(first, {"digits": "mse 3"}) == first.replace("mse 2", "mse 3")
