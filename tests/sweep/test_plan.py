"""`--plan` says what a command would do, from the files alone, and does nothing of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushforward import config
from pushforward.cli import main
from pushforward.composition import compose
from pushforward.runs import RunDir, runs_dir

TINY = [
    "model=vae",
    "data=digits",
    "logger=none",
    "budget.images=12000",
    "budget.epochs=null",
    "hydra.launcher.parallel=2",
]
Plan = Callable[..., tuple[list[str], str]]


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plan:
    """A command line with --plan -> the lines of its table, and the last one. Nothing may be written by it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def there() -> list[Path]:
        return sorted(p for p in tmp_path.rglob("*") if "torchinductor" not in p.name)  # torch's own, when imported

    def planned(*args: str, code: int = 0) -> tuple[list[str], str]:
        before = there()
        with pytest.raises(SystemExit) as done:
            main(["train", *args, "--plan"])
        out, err = capsys.readouterr()
        assert done.value.code == code, out + err
        assert there() == before, "a plan leaves nothing behind"
        return out.splitlines()[1:-1], (out.splitlines() or [""])[-1] if code == 0 else err

    return planned


def run(seed: int, state: str, **status: Any) -> RunDir:
    frozen = compose([o for o in TINY if not o.startswith("hydra")] + [f"seed={seed}"])
    made = RunDir.create(runs_dir() / config.run_id(frozen), frozen)
    made.set_status(state=state, budget_images=12000, **status)
    return made


def test_how_each_job_stands_and_about_how_long(plan: Plan) -> None:
    done = run(1, "finished", images_seen=12000)
    done.write_record({}, cost={"train_seconds": 600.0, "images_seen": 12000, "evaluate_seconds": 60.0})
    run(2, "stopped", images_seen=6000)
    run(3, "failed", images_seen=3000, error="out of luck")
    run(4, "diverged", images_seen=3000, error="not finite")
    elsewhere = run(5, "running", images_seen=100)
    assert elsewhere.lock.acquire()
    run(6, "failed", error="no such file")
    run(7, "finished", images_seen=12000).set_status(own={"json": {"path": json.__file__, "sha256": "then"}})
    with run(8, "running", images_seen=9000).lock:
        pass  # killed: its lock is there, and free
    try:
        rows, last = plan("-m", *TINY, "seed=1..9")
        again, _ = plan("-m", *TINY, "seed=1..9", "retry=failed")
        anew, _ = plan("-m", *TINY, "seed=7,9", "retry=stale")
    finally:
        elsewhere.lock.release()
    stands = {int(row.split("seed=")[1].split()[0]): row for row in rows}
    assert len(stands) == 9 and all("seed=" in row for row in rows)
    expected = {
        1: ["finished"], 2: ["to resume", "6 min", "from 6,000 of 12,000 images (50%)"],
        3: ["failed before", "out of luck", "retry=failed"], 4: ["diverged: not finite", "retry=failed"],
        5: ["running elsewhere", "process"], 6: ["to run", "11 min"], 7: ["finished", "stale", "retry=stale"],
        8: ["to resume", "from 9,000", "4 min"], 9: ["to run", "11 min"],
    }  # fmt: skip
    for seed, words in expected.items():
        assert all(word in stands[seed] for word in words), (words, stands[seed])
    # 6, 11, 3.5 and 11 min, two at a time in this order: 6 and 3.5 beside 11, then 11 more
    assert last == (
        "9 jobs: 2 finished, 2 to run, 2 to resume, 2 failed before, 1 running elsewhere; about 20 min, 2 at a time. "
        "Nothing was started (--plan)."
    )
    assert "to resume" in again[2] and "from 3,000" in again[2] and "diverged, again" in again[3]
    assert "stale, again" in anew[0] and "11 min" in anew[0]


def test_a_single_run_is_planned_and_several_values_want_m(plan: Plan) -> None:
    rows, last = plan(*TINY)
    assert len(rows) == 1 and last.startswith("1 job: 1 to run; time unknown: no run of the same model")
    _, error = plan(*TINY, "seed=1,2", code=2)
    assert error == "error: 2 jobs, and one run was asked for: several values of a key take -m\n"
    _, error = plan("model=vea", code=2)
    assert "did you mean vae" in error


def test_many_jobs_are_counted_by_model_and_data(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    from pushforward.sweep import plan as module

    monkeypatch.setattr(module, "MOST", 3)
    made = run(1, "finished", images_seen=12000)
    made.write_record({}, cost={"train_seconds": 600.0, "images_seen": 12000, "evaluate_seconds": 0.0})
    rows, last = plan("-m", *TINY[1:], "model=vae,ae", "seed=1,2,2")
    assert [row.split() for row in rows] == [
        ["vae", "digits", "2", "1", "1", "10", "min"], ["ae", "digits", "2", "2", "unknown"]
    ]  # fmt: skip
    assert "4 jobs: 1 finished, 3 to run (2 asked for twice); about 10 min" in last and "2 of them unknown" in last


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["weighting.beta=-1"], "weighting.beta=-1: it must be a number of at least 0"),
        (["network=mlp", "network.hidden=[0]"], "network.hidden=[0]: it must be a list, each a whole number"),
        (["optimizer.model.lr=nan"], "optimizer.model.lr=nan: it must be a number above 0"),
    ],
)
@pytest.mark.parametrize("many", [True, False])
def test_what_the_command_refuses_its_plan_refuses(plan: Plan, wrong: list[str], said: str, many: bool) -> None:
    options = ["-m", *TINY, "seed=1,2"] if many else TINY
    _, error = plan(*options, *wrong, code=2)
    assert error.startswith("error: ") and said in error and error.count("\n") == 1
    assert error.count(said) == 1, "once, however many jobs have it"


def test_a_plan_refuses_what_would_measure_a_finished_run(plan: Plan) -> None:
    run(1, "finished", images_seen=12000).write_record({})
    rows, _ = plan(*TINY)
    assert "finished" in rows[0]
    _, error = plan(*TINY, "metrics.reconstruction.imagse=3", code=2)
    assert "did you mean images?" in error
