"""`pushforward train -m study=…`: a real search, small, and what the command line refuses."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pushforward.cli import run
from pushforward.runs import every_run

STUDY = """# @package _global_
# Two trials of a small VAE.
defaults:
  - override /model: vae
budget: {epochs: null, images: 1024}
selection: {every: 0.5}
study:
  trials: 2
  space:
    optimizer.model.lr: {log: [1.0e-4, 1.0e-2]}
    weighting: {choice: [constant, warmup]}
"""
TINY = ["data=digits", "network.hidden=[16]", "features=none", "metrics=none", "logger=none", "trainer.threads=1"]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's own --config-dir with a study."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "mine" / "study").mkdir(parents=True)
    (tmp_path / "mine" / "study" / "small.yaml").write_text(STUDY)
    return tmp_path / "mine"


def test_a_search_whose_trials_are_trained_as_one(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    file = mine / "study" / "small.yaml"
    file.write_text(
        file.read_text().replace("trials: 2", "trials: 4").replace("    weighting: {choice: [constant, warmup]}\n", "")
    )
    how = ["study=small", "study.parallel=2", "hydra/launcher=vectorized"]
    assert run(["train", "-m", "--config-dir", str(mine), *how, *TINY]) == 0
    said = capsys.readouterr().out
    assert "study small: 4 of 4 trials: 4 complete" in said
    assert said.count("trained as one") + said.count("trained alone") >= 2, "two batches of two"
    runs = every_run()
    assert [r.state for r in runs] == ["finished"] * 4 and len({r.key("optimizer.model.lr") for r in runs}) == 4


def test_a_real_search_and_its_runs(mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    args = ["train", "-m", "--config-dir", str(mine), "study=small", *TINY]
    assert run(args) == 0
    said = capsys.readouterr().out
    assert "study small: 2 of 2 trials: 2 complete" in said
    status = json.loads((tmp_path / "outputs" / "studies" / "small" / "status.json").read_text())
    assert (status["complete"], status["running"]) == (2, 0) and status["best"]["run"] in said
    runs = every_run()
    assert [r.state for r in runs] == ["finished", "finished"] and len({r.key("optimizer.model.lr") for r in runs}) == 2
    assert all(r.key("tags") == ["small"] and "study" not in r.config for r in runs)
    assert min(np.nanmin(r.curves()["val/criterion"]) for r in runs) == status["best"]["value"]
    assert run(args) == 0, "nothing is left to do"
    assert "study small: 2 of 2 trials there" in capsys.readouterr().out
    assert [r.status for r in every_run()] == [r.status for r in runs]
    for planned in ([], ["--plan"]):
        assert run([*args, "batch_size=32", *planned]) == 2
        assert "study small was begun with another configuration" in capsys.readouterr().err
    best = next(r for r in runs if r.id == status["best"]["run"])
    same = [f"weighting={best.choices['weighting']}", f"optimizer.model.lr={best.key('optimizer.model.lr')}"]
    plain = ["model=vae", "budget.epochs=null", "budget.images=1024", "selection.every=0.5", *TINY, *same]
    assert run(["train", *plain]) == 0, "an ordinary run: the same command line finds it finished"
    assert len(every_run()) == 2 and best.id in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["study=small"], "a search is many runs: pushforward train -m study="),
        (["-m", "study=smlal"], "study=smlal: there is no such option; did you mean small?"),
        (["-m", "study=vae_tuning", "study.tirals=3"], "study.tirals: there is no such key; did you mean trials?"),
        (["-m", "study=small", "study.trials=three"], "study.trials=three: it must be a whole number"),
        (["-m", "study=small", "seed=1,2"], "seed=1,2: a search takes one value of a key"),
        (["-m", "study=small", "weighting=warmup"], "weighting=warmup: the study searches weighting"),
        (["-m", "study=small", "study.sampler=tep"], "study.sampler=tep: did you mean tpe?"),
        (["-m", "study=small", "study.pruner=medain"], "study.pruner=medain: did you mean median"),
    ],
)
def test_what_is_refused_in_one_line(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], args: list[str], why: str
) -> None:
    pytest.importorskip("optuna")
    assert run(["train", "--config-dir", str(mine), *args]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and why in said, said
    assert not (tmp_path / "outputs").exists()


def test_without_optuna_it_says_what_to_install(
    mine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert run(["train", "-m", "--config-dir", str(mine), "study=small"]) == 2
    assert "study=… needs optuna: pip install 'pushforward[search]'" in capsys.readouterr().err


def test_a_search_by_what_is_not_measured_is_refused_at_the_start(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna")
    asked = ["study=small", "study.metric=test/mse", "study.direction=minimize"]
    assert run(["train", "-m", "--config-dir", str(mine), *asked, *TINY]) == 2
    said = capsys.readouterr().err
    assert said == "error: study.metric=test/mse: metrics=none measures nothing; say metrics=default\n"
    assert not every_run()


def test_a_trial_that_was_trained_without_measures_is_measured(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    file = mine / "study" / "small.yaml"
    file.write_text(
        file.read_text().replace("trials: 2", "trials: 1").split("  space:")[0]
        + "  space:\n    weighting.beta: {choice: [1.5]}\n"
    )
    plain = [
        "model=vae",
        "budget.epochs=null",
        "budget.images=1024",
        "selection.every=0.5",
        *TINY,
        "weighting.beta=1.5",
    ]
    assert run(["train", *plain]) == 0
    [before] = every_run()
    assert not before.record["metrics"]
    measured = ["+measure@metrics.reconstruction=reconstruction", "metrics.reconstruction.images=50"]
    asked = ["study=small", "study.metric=test/mse", "study.direction=minimize", *TINY, *measured]
    capsys.readouterr()
    assert run(["train", "-m", "--config-dir", str(mine), *asked]) == 0
    said = capsys.readouterr().out
    assert f"{before.id} was trained before; measuring it for mse" in said and "1 of 1 trials: 1 complete" in said
    [after] = every_run()
    assert after.id == before.id and after.value("mse") is not None
    assert after.metrics["mse"]["card"]["n"] == 50, "measured as the study asks"
