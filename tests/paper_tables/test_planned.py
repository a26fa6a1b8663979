"""The runs of a table: which they are, how they stand, what they would take; composed once."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from paper_table import TABLE, finish

from pushforward import composition
from pushforward.errors import PushforwardError
from pushforward.overrides import read
from pushforward.paper_tables import composed
from pushforward.paper_tables.planned import Preset, jobs, plan, seconds
from pushforward.run_identity import identity


def test_a_run_is_found_by_what_it_trains_not_by_its_tag(preset: Callable[..., Preset]) -> None:
    chosen = preset("little")
    [first, *_] = plan(chosen)
    assert first.frozen is not None
    elsewhere = composition.compose(read([o for o in first.job.overrides if not o.startswith("tags=")]))
    assert identity(elsewhere) == identity(dict(first.frozen)) and elsewhere["tags"] == []
    assert {one.kind for one in plan(chosen)} == {"to run"}
    finish(preset("little", "tags=[other]", "logger=none"), "vae", "small", 1, nll=1.0, neg_elbo=1.0)
    assert [one.job.seed for one in plan(chosen) if one.kind == "done"] == [1]


def test_a_finished_run_without_a_number_of_the_table_is_measured(preset: Callable[..., Preset]) -> None:
    chosen = preset("little")
    finish(chosen, "vae", "small", 1, nll=1.0)
    [one] = [one for one in plan(chosen) if one.kind == "to measure"]
    assert one.note == "lacks neg_elbo"


def test_a_row_waits_for_the_run_that_it_begins_with(preset: Callable[..., Preset]) -> None:
    chosen = preset("whole")
    made = jobs(chosen)
    assert [job.row for job in made if job.block == "small"] == ["vae", "beta", "second"]
    waits = [one for one in plan(chosen) if one.kind == "waits"]
    assert [(one.job.row, one.note, one.run) for one in waits] == [("second", "for VAE", None)]
    run = finish(chosen, "vae", "small", 1, nll=1.0, neg_elbo=1.0)
    [one] = [one for one in plan(chosen) if one.job.row == "second"]
    assert one.kind == "to run" and f"data.run={run.id}" in one.job.overrides


def test_time_is_the_stated_one_before_there_are_runs_alike(preset: Callable[..., Preset]) -> None:
    """Eight runs in six minutes; with two of them done three quarters are left."""
    chosen = preset("little")
    assert seconds(chosen, plan(chosen))[1] == pytest.approx(360)
    for seed in (1, 2):
        finish(chosen, "vae", "small", seed, nll=1.0, neg_elbo=1.0)
    assert seconds(chosen, plan(chosen))[1] == pytest.approx(270)


def test_what_was_composed_is_read_again_until_a_file_changes(
    own: Path, preset: Callable[..., Preset], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = preset("little")
    before = plan(chosen)
    monkeypatch.setattr(composed, "Composer", None)
    assert [one.frozen for one in plan(chosen)] == [one.frozen for one in before]
    (own / "network").mkdir()
    (own / "network" / "other.yaml").write_text("_target_: pushforward.networks.MLP\n")
    with pytest.raises(TypeError):
        plan(chosen)


def test_a_config_that_names_another_run_is_composed_each_time(preset: Callable[..., Preset], tmp_path: Path) -> None:
    chosen = preset("whole")
    finish(chosen, "vae", "small", 1, nll=1.0, neg_elbo=1.0)
    plan(chosen)
    kept = json.loads((tmp_path / "outputs/cache/composed/mine-whole-1.json").read_text())
    assert kept["configs"] == {}


def test_a_row_that_cannot_be_composed_is_named(own: Path, preset: Callable[..., Preset]) -> None:
    (own / "table" / "mine.yaml").write_text(TABLE.replace("model=beta_vae", "model=beta_vea"), encoding="utf-8")
    with pytest.raises(PushforwardError, match=r"mine\.yaml: rows\.beta: .*beta_vea"):
        plan(preset("little"))
