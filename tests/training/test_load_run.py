"""Measuring a trained run again: as it was measured, with what overrides change, with a person's own measures."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward import config
from pushforward.cli import main
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.runs import Run, RunDir, runs_dir
from pushforward.training.evaluate_again import changed, evaluate_again, settings_of
from pushforward.training.load_run import load
from pushforward.training.train import train

OWN = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Mean:
    images: int
    def __call__(self, subject):
        return {"mean_pixel": subject.number(subject.x(n=self.images).mean(), "grey", better=None, n=self.images)}

def wrong(subject):
    return {"bad": 3.0}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A plain autoencoder on digits after one epoch, measured on 50 images, with one density and one measure of its own."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    measures = ["metrics.images=50", "+measure@metrics.probes=probes", "~metrics.sparsity", "~metrics.samples"]
    small = ["network.hidden=[16]", "budget.epochs=1", "logger=none", "trainer.progress=false", "features=pixels"]
    frozen = compose(["model=ae", "data=digits", *small, "features.components=9", *measures])
    path = runs_dir() / config.run_id(frozen)
    assert train(frozen, path) == 0
    return Run(path)


def said(capsys: pytest.CaptureFixture[str], *line: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as done:
        main(list(line))
    caught = capsys.readouterr()
    return int(done.value.code or 0), caught.out + caught.err


def test_a_run_is_measured_as_it_was_and_as_overrides_change_it(run: Run) -> None:
    own = settings_of(run, [])
    assert own == {"metrics": run.config["metrics"], "features": run.config["features"]}
    less = settings_of(run, ["~metrics.denoising"])
    assert less["features"] == own["features"]
    assert less["metrics"] == {name: node for name, node in own["metrics"].items() if name != "denoising"}
    more = settings_of(run, ["+measure@metrics.information=information", "features=random"])
    assert set(more["metrics"]) == {*own["metrics"], "information"} and more["metrics"]["images"] == 50
    assert more["features"] == compose(["features=random"])["features"]
    assert settings_of(run, ["metrics.images=70"])["metrics"]["aggregate"]["images"] == 70
    assert settings_of(run, ["metrics=none"])["metrics"] == compose(["metrics=none"])["metrics"]
    with pytest.raises(PushforwardError, match=r"evaluate seed=2: only metrics and features"):
        settings_of(run, ["seed=2"])


def test_a_run_that_was_not_measured_is_measured_by_default(tmp_path: Path) -> None:
    bare = RunDir.create(tmp_path / "bare", compose(["model=ae", "data=digits", "metrics=none", "features=random"]))
    usual = compose(["metrics=default", "features=random"])
    assert settings_of(Run(bare.path), []) == {group: usual[group] for group in ("metrics", "features")}


def test_what_changes_of_a_tree() -> None:
    own = {"a": 1, "mine": 2, "node": {"x": 1, "y": 2}, "gone": 5}
    before, after = {"a": 1, "node": {"x": 0, "y": 2}, "gone": 5}, {"a": 1, "node": {"x": 0, "y": 3}, "new": 4}
    assert changed(own, before, after) == {"a": 1, "mine": 2, "node": {"x": 1, "y": 3}, "new": 4}


def test_own_measures_and_one_that_fails(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine" / "measure").mkdir(parents=True)
    (tmp_path / "own_measures.py").write_text(OWN)
    (tmp_path / "mine/measure/mean.yaml").write_text("_target_: own_measures.Mean\n_convert_: all\nimages: 20\n")
    (tmp_path / "mine/measure/wrong.yaml").write_text("_target_: own_measures.wrong\n_partial_: true\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    line = ["evaluate", run.id, "+measure@metrics.mean=mean", "--config-dir", "mine"]
    code, _ = said(capsys, *line)
    record: dict[str, Any] = json.loads((run.path / "record.json").read_text())
    entry = record["metrics"]["mean_pixel"]
    assert code == 0 and entry["card"]["n"] == 20
    command = f"pushforward evaluate {run.id} +measure@metrics.mean=mean --config-dir mine"
    assert command in said(capsys, "why", run.id, "mean_pixel")[1]
    code, text = said(capsys, *line, "+measure@metrics.wrong=wrong")
    assert code == 1 and "metrics.wrong failed: bad is 3.0; return subject.number(" in text
    assert "bad" not in json.loads((run.path / "record.json").read_text())["metrics"]
    code, text = said(capsys, "evaluate", run.id, "metrics.probes.k=0")
    assert code == 2 and text == "error: metrics.probes.k=0: it must be a whole number of at least 1\n"
    code, text = said(capsys, "evaluate", run.id, "nosuch")
    assert code == 2 and "measured" not in text and text.count("\n") == 1
    assert "there is no such folder" in said(capsys, "evaluate", run.id, "--config-dir", "none")[1]


def test_numbers_of_a_run_on_its_way_are_shown_and_are_no_result(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    RunDir(run.path).set_status(state="stopped")
    _, text = said(capsys, "evaluate", run.id, "metrics=none", "+measure@metrics.reconstruction=reconstruction")
    assert text.startswith(f"measured, though stopped: {run.id}\n  mse ")
    again = Run(run.path)
    assert again.metrics["mse"]["value"] > 0 and again.value("mse") is None
    assert "stopped" in said(capsys, "table", "--columns", "mse")[1]


def test_samples_and_codes_of_own_points_are_of_their_own_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Around (10⁶, 0), deviations 10³ and 10⁻³: not in the unit that the model sees, and without the data."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    x = np.random.default_rng(0).normal(size=(200, 2)) * [1e3, 1e-3] + [1e6, 0]
    np.savez(tmp_path / "a.npz", x=x)
    small = [
        "network=mlp",
        "network.hidden=[8]",
        "budget.epochs=1",
        "logger=none",
        "trainer.progress=false",
        "metrics=none",
    ]
    frozen = compose(["model=vae", "data=npz", f"data.source.path={tmp_path / 'a.npz'}", "features=none", *small])
    path = runs_dir() / config.run_id(frozen)
    assert train(frozen, path) == 0
    (tmp_path / "a.npz").unlink()
    trained = load(Run(path))
    drawn = trained.sample(500)
    for cloud in (drawn, trained.reconstruct(torch.from_numpy(x)), trained.decode(trained.encode(torch.from_numpy(x)))):
        mean, spread = cloud.mean(0), cloud.std(0)
        assert abs(float(mean[0]) - 1e6) < 3e3 and abs(float(mean[1])) < 3e-3
        assert float(spread[0]) < 5e3 and float(spread[1]) < 5e-3
    assert float(drawn.std(0)[0]) > 100 and float(drawn.std(0)[1]) > 1e-4


def test_samples_of_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a model built again from its run's spec, without its data."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    small = ["network=mlp", "network.hidden=[16]", "budget.images=64", "budget.epochs=null", "logger=none"]
    frozen = compose(["model=conditional_gan", "data=digits", *small, "features=none", "metrics=none"])
    path = runs_dir() / config.run_id(frozen)
    assert train(frozen, path) == 0
    trained = load(Run(path))
    each = trained.sample(3, y=torch.tensor([4, 4, 5]))
    assert torch.equal(each[:2], trained.sample(3, y=4)[:2]) and not torch.equal(each[2], trained.sample(3, y=4)[2])
    assert trained.sample(3).shape == each.shape and "data" not in vars(trained)
    assert said(capsys, "sample", "latest", "--n", "4", "--label", "3", "--out", str(tmp_path / "threes.png"))[0] == 0
    for wrong in (10, torch.tensor([1, 2])):
        with pytest.raises(PushforwardError, match=r"y: give"):
            trained.sample(3, y=wrong)


@pytest.mark.parametrize("key", ["data", "model", "budget", "selection", "seed"])
def test_a_config_that_lacks_a_part_is_told_in_one_line(run: Run, key: str, tmp_path: Path) -> None:
    import shutil

    import yaml

    shutil.copytree(run.path, tmp_path / "run")
    frozen = {name: value for name, value in run.config.items() if name != key}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(frozen))
    for act in (lambda: evaluate_again(Run(tmp_path / "run"), ["metrics=none"]), lambda: load(Run(tmp_path / "run"))):
        with pytest.raises(PushforwardError, match=rf"run: unreadable: config\.yaml has no {key}"):
            act()


def test_a_run_trained_before_is_read_sampled_and_measured(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """As runs of results 1 are: no spec, no whole identity, none of the later keys, an argument that a measure had."""
    frozen = {k: v for k, v in run.config.items() if k not in ("callbacks", "ema", "schedule", "init_from", "uses")}
    metrics = {**frozen["metrics"], "reconstruction": {**frozen["metrics"]["reconstruction"], "threshold": 0.05}}
    path = run.path.rename(run.path.with_name("ae-digits-s1-abc123"))
    old = RunDir.create(path, {**frozen, "results": 1, "metrics": metrics})
    (path / "spec.json").unlink()
    status = {k: v for k, v in old.status.items() if k not in ("identity", "own")}
    (path / "status.json").write_text(json.dumps({**status, "run_id": path.name}))
    for line in (["status"], ["table"], ["show", "run", path.name], ["evaluate", path.name, "metrics.images=20"]):
        code, words = said(capsys, *line)
        assert code == 0 and "Traceback" not in words and "unreadable" not in words, words
    assert words.startswith("note: left out, as there is no such argument any more: metrics.reconstruction.threshold\n")
    assert load(Run(path)).reconstruct(torch.zeros(2, 1, 8, 8)).shape == (2, 1, 8, 8)
    code, words = said(capsys, "sample", path.name)
    assert code == 2 and "has no prior to sample from" in words and words.count("\n") == 1
