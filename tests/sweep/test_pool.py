"""A sweep: one process a job, and no job takes another with it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pushforward import config
from pushforward.errors import PushforwardError
from pushforward.launch import compose, freeze_to
from pushforward.runs import Run, RunDir, every_run, runs_dir
from pushforward.sweep import devices
from pushforward.sweep import pool as sweep

TINY = ["data=digits", "features=none", "metrics=none", "logger=none", "trainer=debug", "budget.images=1024"]


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "outputs"


def job(*overrides: str) -> dict[str, Any]:
    return compose([*TINY, "model=vae", "network.hidden=[16]", *overrides])


STAND_IN = """
import sys, time, yaml
from pathlib import Path
from pushforward.runs import RunDir
path = Path(sys.argv[1]).parent
frozen = yaml.safe_load((path / "frozen.yaml").read_text())
run = RunDir.create(path, frozen)
with (path.parent.parent / "order.txt").open("a") as order:
    order.write(f"{frozen['seed']} {frozen['trainer']['threads']}\\n")
if frozen["seed"] == 2:
    run.set_status(state="failed", error="ValueError: seed two")
    sys.exit("Traceback of seed two")
if frozen["seed"] == 3:
    import os, signal
    run.set_status(state="running")
    os.kill(os.getpid(), signal.SIGKILL)
run.set_status(state="finished", images_seen=1024)
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that only write what a run would: seed 2 fails and seed 3 is killed. They load no torch."""
    monkeypatch.setattr(sweep, "command", lambda file: ["-c", STAND_IN, str(file)])
    monkeypatch.setattr(sweep, "rehearse", lambda *_: None)


def run_jobs(jobs: list[dict[str, Any]], folder: Path, parallel: int = 2, **how: Any) -> list[int]:
    return sweep.run_jobs(jobs, [f"seed={j['seed']}" for j in jobs], folder, parallel, **{"warm": False, **how})


@pytest.mark.usefixtures("stand_in")
def test_a_job_that_fails_takes_no_other_with_it(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seeds = [1, 2, 3, 4, 4]
    jobs = [job(f"seed={seed}") for seed in seeds]
    codes = run_jobs(jobs, outputs)
    shown = capsys.readouterr().out
    assert [code == 0 for code in codes] == [True, False, False, True, True]
    runs = [Run(runs_dir() / config.run_id(frozen)) for frozen in jobs]
    assert [run.state for run in runs] == ["finished", "failed", "stopped (killed)", "finished", "finished"]
    assert "5 jobs: 0 finished before, 4 to run, 2 at a time" in shown
    assert "3 finished" in shown and "1 failed" in shown and "1 killed by signal 9" in shown
    assert f"{runs[1].id} (seed=2): ValueError: seed two" in shown
    for bad in runs[1:3]:
        assert f"log: {bad.path / 'job.log'}" in shown
    assert "Traceback of seed two" in (runs[1].path / "job.log").read_text()
    ran = (outputs / "order.txt").read_text().split()[::2]
    assert sorted(ran) == ["1", "2", "3", "4"], "the same run asked for twice is trained once"


@pytest.mark.usefixtures("stand_in")
def test_what_is_finished_is_not_trained_again(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [job(f"seed={seed}") for seed in (1, 4)]
    done = RunDir.create(runs_dir() / config.run_id(jobs[0]), jobs[0])
    done.set_status(state="finished", fingerprint=config.fingerprint(jobs[0]), images_seen=1024)
    assert run_jobs(jobs, outputs, parallel=1) == [0, 0]
    shown = capsys.readouterr().out
    assert "2 jobs: 1 finished before, 1 to run" in shown and "1 skipped (finished), 1 finished" in shown
    assert (outputs / "order.txt").read_text().split()[::2] == ["4"]


@pytest.mark.usefixtures("stand_in")
def test_cores_are_divided_among_jobs(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 12)
    jobs = [job(f"seed={seed}") for seed in (1, 4, 5)]
    run_jobs(jobs, outputs, parallel=3)
    assert [frozen["trainer"]["threads"] for frozen in jobs] == [4, 4, 4]
    jobs = [job("seed=6", "trainer.threads=2")]
    run_jobs(jobs, outputs, parallel=3)
    assert jobs[0]["trainer"]["threads"] == 2, "what a person asks for stays"


def test_nothing_starts_where_one_job_is_wrong(outputs: Path) -> None:
    jobs = [job("seed=1"), job("seed=4", "+model.objective.kl.wieght=4"), job("seed=5", "weighting.beta=fast")]
    with pytest.raises(
        PushforwardError, match=r"did you mean weight\?.*; weighting\.beta=fast: Constant wants a number"
    ):
        run_jobs(jobs, outputs, warm=True)
    assert not outputs.exists()


def test_two_real_jobs_one_of_which_fails(outputs: Path) -> None:
    """Through the command line: exit code 1, and both stand in the outputs as what they are."""
    broken = job("seed=2")
    path = runs_dir() / config.run_id(broken)
    freeze_to(broken, path)
    (path / "checkpoints").write_text("a file where a folder must be")  # what goes wrong only once the job has begun
    args = ["train", "-m", *TINY, "model=vae", "network.hidden=[16]", "seed=1,2", "hydra.launcher.parallel=1"]
    done = subprocess.run([sys.executable, "-m", "pushforward", *args], capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 finished" in done.stdout and f"log: {path / 'job.log'}" in done.stdout, done.stdout + done.stderr
    assert {run.key("seed"): run.state for run in every_run() if run.state == "finished"} == {1: "finished"}
    assert "Traceback" not in done.stderr
