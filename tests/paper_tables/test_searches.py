"""A search before the seeds: its command, what is read of it when it is over, and what waits for it until then."""

import json
from pathlib import Path
from typing import Any

import pytest
from paper_table import TABLE

from pushforward import command_line
from pushforward.errors import PushforwardError
from pushforward.launch import INTERRUPTED
from pushforward.paper_tables import reproduce
from pushforward.paper_tables.planned import Preset, jobs, plan, searches
from pushforward.paper_tables.table_file import load
from pushforward.runs import RunDir, outputs, runs_dir

SEARCHED = TABLE.replace(
    "budgets:\n",
    "budgets:\n  searched: {seeds: [1, 2], minutes: 6, rows: [vae, beta], blocks: [small], search: "
    "{trials: 3, metric: val/criterion, space: {optimizer.model.lr: {log: [1.0e-4, 1.0e-2]}}}}\n",
).replace(
    "[model=beta_vae]}", "[model=beta_vae], space: {weighting.beta: {log: [1, 10]}, network: {choice: [mlp, conv]}}}"
)
SEARCHED = "".join(line for line in SEARCHED.splitlines(True) if not line.startswith("  second"))


@pytest.fixture
def preset(own: Path) -> Preset:
    (own / "table" / "mine.yaml").write_text(SEARCHED, encoding="utf-8")
    table = load("mine", own)
    return Preset(table, "searched", table.budgets["searched"], (1, 2), (), own)


def study(name: str, complete: int, best: dict[str, Any] | None) -> None:
    folder = outputs() / "studies" / name
    folder.mkdir(parents=True, exist_ok=True)
    status = {
        "name": name,
        "trials": 3,
        "complete": complete,
        "pruned": 0,
        "failed": 3 - complete if best is None else 0,
    }
    status |= {"running": 0, "metric": ["val/criterion"], "best": best, "updated": "2026-01-01T00:00:00+00:00"}
    (folder / "status.json").write_text(json.dumps(status), encoding="utf-8")


def best_run(config: dict[str, Any]) -> dict[str, Any]:
    run = RunDir.create(runs_dir() / "beta_vae-digits-s1-aaaaaaaaaaaa", config)
    return {"trial": 1, "value": 1.5, "run": run.id}


def test_all_seeds_wait_for_the_search_of_their_row(preset: Preset) -> None:
    assert {one.kind for one in plan(preset)} == {"waits"}
    names = ["mine-searched-small-vae", "mine-searched-small-beta"]
    assert [one.name for one in searches(preset)] == names
    study(names[0], 2, {"trial": 0, "value": 1.0, "run": "vae-digits-s1-bbbbbbbbbbbb"})
    assert plan(preset)[0].note == "for its search mine-searched-small-vae, 2 of 3 trials"


def test_the_best_of_a_search_is_what_its_seeds_are_trained_with(preset: Preset) -> None:
    chosen = {"optimizer": {"model": {"lr": 0.003}}, "weighting": {"beta": 2.5}, "choices": {"network": "conv"}}
    study("mine-searched-small-beta", 3, best_run(chosen))
    own = [job for job in jobs(preset) if job.row == "beta"]
    for job, seed in zip(own, (1, 2), strict=True):
        assert {"optimizer.model.lr=0.003", "weighting.beta=2.5", "network='conv'", f"seed={seed}"} <= set(
            job.overrides
        )
    assert [one.row for one in searches(preset)] == ["vae"], "a search that is over is not begun again"
    assert [one.kind for one in plan(preset)] == ["waits", "waits", "to run", "to run"]


def test_a_search_without_a_result_says_so_and_is_not_begun_again(preset: Preset) -> None:
    study("mine-searched-small-vae", 0, None)
    study("mine-searched-small-beta", 3, {"trial": 0, "value": 1.0, "run": "beta_vae-digits-s1-gone"})
    notes = [one.note for one in plan(preset)]
    assert notes[0] == "none of the 3 trials of its search mine-searched-small-vae succeeded"
    assert (
        notes[-1] == "the run of the best trial of its search mine-searched-small-beta is gone: beta_vae-digits-s1-gone"
    )
    assert searches(preset) == []


def test_searches_are_studies_of_the_command_line(preset: Preset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(command_line, "hydra_train", lambda args: asked.append(args) or 1)
    assert reproduce.search(preset) == 0, "a trial that fails does not end the table"
    assert [next(word for word in args if word.startswith("study.name")) for args in asked] == [
        "study.name='mine-searched-small-vae'", "study.name='mine-searched-small-beta'",
    ]  # fmt: skip
    assert {"-m", "study=random", "study.trials=3", "model=beta_vae"} <= set(asked[1])
    assert not any(word.startswith("seed=") for word in asked[1])
    monkeypatch.setattr(command_line, "hydra_train", lambda args: INTERRUPTED)
    assert reproduce.search(preset) == INTERRUPTED


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("trials: 3", "trials: 0", "budgets.searched.search.trials=0: it must be"),
        ("space: {optimizer.model.lr: {log: [1.0e-4, 1.0e-2]}}", "sampler: random", "nothing is varied of vae: give"),
        ("[model=vae]", "[model=vae, 'data.run={beta}']", "vae begins with another row's run: it cannot be searched"),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_is_refused(preset: Preset, own: Path, old: str, new: str, said: str) -> None:
    (own / "table" / "mine.yaml").write_text(SEARCHED.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PushforwardError, match=r"^[^\n]*$") as error:
        load("mine", own)
    assert said in str(error.value)
