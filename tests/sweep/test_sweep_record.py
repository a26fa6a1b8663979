"""What a sweep leaves on record of itself, and what its jobs are told."""

import os
from pathlib import Path

import pytest

from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.runs import Sweep
from pushforward.sweep import sweep_record
from pushforward.training.loggers import SWEEP


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    monkeypatch.delenv(SWEEP, raising=False)
    return tmp_path / "sweeps" / "2026-01-01_00-00-00-7"


def test_a_sweep_is_on_record_while_it_lives_and_after(folder: Path) -> None:
    jobs = [compose(["model=vae", "data=digits", f"seed={seed}"]) for seed in (1, 2, 3, 4)]
    asked = [["data=digits", "model=vae", f"seed={seed}"] for seed in (1, 2, 3, 4)]
    with sweep_record.recorded(folder, jobs[:2], asked[:2], parallel=2) as codes:
        assert os.environ[SWEEP] == sweep_record.group(jobs[:2], asked[:2]) == sweep_record.read(folder)["group"]
        assert Sweep(folder).alive and Sweep(folder).ended is None and not Sweep(folder).stopped
        codes += [0, 0]
    with sweep_record.recorded(folder, jobs[2:], asked[2:], parallel=2) as codes:  # its second batch
        codes += [0, 130]
    sweep = Sweep(folder)
    assert SWEEP not in os.environ and not sweep.alive and sweep.ended and sweep.stopped
    assert len(sweep.run_ids) == 4 and sweep.parallel == 2 and sweep.counts() == {"waiting": 4}


def test_what_is_refused_leaves_nothing(folder: Path) -> None:
    with pytest.raises(PushforwardError), sweep_record.recorded(folder, [compose(["seed=1"])], [["seed=1"]]):
        raise PushforwardError("seed: no")
    assert not list(folder.iterdir()) and SWEEP not in os.environ


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([["model=vae", "seed=0"], ["model=vae", "seed=1"], ["model=vae", "seed=2"]], "seed=0..2"),
        ([["model=vae", "seed=1"], ["model=gan", "seed=1"]], "model=vae,gan"),
        ([["model=vae", "seed=1"]], "model=vae seed=1"),
        ([["lr=0.1"], ["lr=0.2"], ["lr=0.3"]], "lr=0.1,0.2,0.3"),
    ],
)
def test_its_name_is_what_its_jobs_differ_in(asked: list[list[str]], said: str) -> None:
    assert sweep_record.varied(asked) == said


def test_a_sweep_that_is_repeated_has_the_same_group(folder: Path) -> None:
    jobs = [compose(["model=vae", "data=digits", f"seed={seed}"]) for seed in (1, 2)]
    asked = [["model=vae", f"seed={seed}"] for seed in (1, 2)]
    first = sweep_record.group(jobs, asked)
    assert first.startswith("seed=1,2 ") and sweep_record.group(jobs[::-1], asked) == first
    assert sweep_record.group([jobs[0], {**jobs[1], "tags": ["later"]}], asked) == first
    assert sweep_record.group([jobs[0], {**jobs[1], "seed": 3}], asked) != first
    long = [[f"model.objective.kl.weight={{a: {i}}}" * 20] for i in (1, 2)]
    assert len(sweep_record.group(jobs, long)) <= 128, "W&B takes no longer name"
