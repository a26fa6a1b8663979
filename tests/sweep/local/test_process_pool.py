"""A sweep: one process a job, and no job takes another with it."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushforward import config, machine
from pushforward.composition import compose
from pushforward.crash_report import BUSY
from pushforward.errors import PushforwardError
from pushforward.launch import freeze_to
from pushforward.runs import Run, RunDir, runs_dir
from pushforward.sweep import devices
from pushforward.sweep.jobs import ELSEWHERE, Job, ended, settled
from pushforward.sweep.local import process_pool as sweep
from pushforward.sweep.local.forkserver_client import Process, shared

TINY = ["data=digits", "features=none", "metrics=none", "logger=none", "trainer=debug", "budget.images=1024"]


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "outputs"


def job(*overrides: str) -> dict[str, Any]:
    return compose([*TINY, "model=vae", "network.hidden=[16]", *overrides])


STAND_IN = """
import os, signal, sys, time, yaml
from pathlib import Path
from pushforward.runs import RunDir
path = Path(sys.argv[1]).parent
frozen = yaml.safe_load((path / "frozen.yaml").read_text())
seed, run = frozen["seed"], RunDir.create(path, frozen)
before = run.status
run.set_status(state="running")
if seed == 5:  # what stops a job waits until it is in order.txt, and then it must be ready
    def stop(number, frame):
        run.set_status(state="stopped", error="stopped by SIGTERM")
        sys.exit(143)
    signal.signal(signal.SIGTERM, stop)
if seed == 6:  # told to stop it says so, and does not
    signal.signal(signal.SIGTERM, lambda *_: (path / "told").touch())
with (path.parent.parent / "order.txt").open("a") as order:
    order.write(f"{seed} {frozen['trainer']['threads']} {os.environ.get('CUDA_VISIBLE_DEVICES')}\\n")
if seed == 2:
    run.set_status(state="failed", error="ValueError: seed two")
    sys.exit("Traceback of seed two")
if seed == 3:
    os.kill(os.getpid(), signal.SIGKILL)
if seed == 10:  # fails when another has begun
    while len((path.parent.parent / "order.txt").read_text().splitlines()) < 2:
        time.sleep(0.02)
    sys.exit("seed ten")
while seed == 6:
    signal.pause()
if seed == 5 or (seed == 7 and not before):
    signal.pause()
if seed == 8:  # its process ends well, and nothing says that the run is trained
    sys.exit(0)
run.set_status(state="finished", images_seen=1024)
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that only write what a run would: seed 2 fails, 3 is killed, 8 ends unfinished. They load no torch."""
    monkeypatch.setattr(sweep, "command", lambda file: ["-c", STAND_IN, str(file)])
    monkeypatch.setattr(sweep, "rehearse", lambda *_: [])


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
    assert "sweep: 2 finished" in shown and "(5 jobs are 4 runs)" in shown
    assert "1 failed" in shown and "1 killed by signal 9" in shown
    assert f"{runs[1].id} (seed=2): ValueError: seed two" in shown
    for bad in runs[1:3]:
        assert f"log: {bad.path / 'job.log'}" in shown
    assert "Traceback of seed two" in (runs[1].path / "job.log").read_text()
    assert ran(outputs) == [1, 2, 3, 4], "the same run asked for twice is trained once"


@pytest.mark.usefixtures("stand_in")
def test_what_is_finished_is_not_trained_again(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [job(f"seed={seed}") for seed in (1, 4)]
    done = RunDir.create(runs_dir() / config.run_id(jobs[0]), jobs[0])
    done.set_status(state="finished", images_seen=1024)
    assert run_jobs(jobs, outputs, parallel=1) == [0, 0]
    shown = capsys.readouterr().out
    assert "2 jobs: 1 finished before, 1 to run" in shown and "1 skipped (finished), 1 finished" in shown
    assert ran(outputs) == [4]


@pytest.mark.usefixtures("stand_in")
def test_cores_are_divided_among_jobs(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 12)
    monkeypatch.setattr(machine, "ASKED", "")
    jobs = [job(f"seed={seed}") for seed in (1, 4, 8)]
    run_jobs(jobs, outputs, parallel=3)
    assert [frozen["trainer"]["threads"] for frozen in jobs] == [4, 4, 4]
    jobs = [job("seed=9", "trainer.threads=2")]
    run_jobs(jobs, outputs, parallel=3)
    assert jobs[0]["trainer"]["threads"] == 2, "what a person asks for stays"


def test_nothing_starts_where_one_job_is_wrong(outputs: Path) -> None:
    jobs = [job("seed=1"), job("seed=4", "+model.objective.kl.wieght=4"), job("seed=5", "weighting.beta=fast")]
    with pytest.raises(PushforwardError, match=r"did you mean weight\?.*; weighting\.beta=fast: it must be a number"):
        run_jobs(jobs, outputs, warm=True)
    assert not outputs.exists()


@pytest.mark.usefixtures("stand_in")
def test_fail_fast_stops_the_others(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The running one checkpoints and stops; what waits is not started."""
    jobs = [job(f"seed={seed}") for seed in (5, 10, 1)]
    assert run_jobs(jobs, outputs, fail_fast=True) == [143, 1, 130]
    shown = capsys.readouterr().out
    assert "sweep: 1 stopped, 1 failed, 1 not started" in shown
    assert ran(outputs) == [5, 10]


def later(*steps: tuple[Callable[[], bool], Callable[[], None]]) -> None:
    """Does one thing after the other, each when its condition holds."""

    def wait() -> None:
        for condition, act in steps:
            while not condition():
                time.sleep(0.02)
            act()

    threading.Thread(target=wait, daemon=True).start()


def ran(outputs: Path) -> list[int]:
    """Seeds of the jobs that were started."""
    file = outputs / "order.txt"
    return sorted(int(line.split()[0]) for line in file.read_text().splitlines()) if file.exists() else []


@pytest.mark.usefixtures("stand_in")
def test_ctrl_c_lets_jobs_stop_and_a_second_one_does_not_wait(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "PATIENCE", 0.2)
    before, interrupt = signal.getsignal(signal.SIGINT), functools.partial(os.kill, os.getpid(), signal.SIGINT)
    later((lambda: ran(outputs) == [5], interrupt))
    assert run_jobs([job("seed=5"), job("seed=1")], outputs, parallel=1) == [143, 130]
    assert "sweep: 1 stopped, 1 not started" in capsys.readouterr().out
    told = lambda: any(runs_dir().glob("*/told"))  # noqa: E731
    later((lambda: ran(outputs) == [5, 6], interrupt), (told, interrupt))
    assert run_jobs([job("seed=6"), job("seed=1")], outputs, parallel=1) == [-signal.SIGKILL, 130]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("stand_in")
def test_the_server_is_killed_and_its_jobs_go_on_under_another(outputs: Path) -> None:
    first = shared(False)
    later((lambda: ran(outputs) == [7], first.process.kill))
    assert run_jobs([job("seed=7"), job("seed=1")], outputs, parallel=1) == [0, 0]
    assert ran(outputs) == [1, 7, 7]


ORPHAN = """
import sys, time
from pathlib import Path
import yaml
from pushforward.runs import RunDir
path, end = Path(sys.argv[1]), sys.argv[2]
run = RunDir(path)
assert run.lock.acquire()
run = RunDir.create(path, yaml.safe_load((path / "frozen.yaml").read_text()))
run.set_status(state="running", images_seen=512)
print("running", flush=True)
sys.stdin.readline()
if end == "finishes":
    run.set_status(state="finished", images_seen=1024)
"""


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("end", ["finishes", "dies"])
def test_a_run_that_another_process_trains_is_not_trained_twice(
    end: str, outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second sweep, or what a killed one has left: it is waited for, and gone on with where it does not finish."""
    jobs = [job("seed=1"), job("seed=4")]
    path = runs_dir() / config.run_id(jobs[0])
    freeze_to(jobs[0], path)
    orphan = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(path), end], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert orphan.stdout is not None and orphan.stdout.readline() == b"running\n"
    looks, look = list[Path](), sweep.settled
    monkeypatch.setattr(sweep, "LOOK_AGAIN", 0.0)
    monkeypatch.setattr(sweep, "settled", lambda job: looks.append(job.path) or look(job))
    other = Run(runs_dir() / config.run_id(jobs[1]))
    later((lambda: Run(other.path).state == "finished" and looks.count(path) > 2, lambda: orphan.communicate(b"\n")))
    assert run_jobs(jobs, outputs) == [0, 0]
    shown = capsys.readouterr().out
    assert "2 jobs: 0 finished before, 1 to run" in shown
    assert ran(outputs) == ([4] if end == "finishes" else [1, 4])
    assert ("1 skipped (finished), 1 finished" if end == "finishes" else "2 finished") in shown


def test_a_job_that_comes_second_by_a_moment_is_looked_at_again(outputs: Path) -> None:
    """Its exit code says so, whatever stands in the log, which the process that came first writes, too."""
    from pushforward import job as one_job

    late = Job(job("seed=1"), "")
    first = RunDir(late.path)
    assert first.lock.acquire()
    file = freeze_to(late.frozen, late.path)
    late.process = Process(shared(False), -1)
    late.process.returncode = one_job.start([file])
    late.log.write_text("trained 1,024 images\n")
    first.set_status(state="finished", images_seen=1024)
    ended(late)
    assert (late.state, late.process.returncode) == (ELSEWHERE, BUSY)
    first.lock.release()
    assert settled(late) and (late.state, late.code) == ("skipped (finished)", 0)


@pytest.mark.usefixtures("stand_in")
def test_a_job_that_exits_with_0_unfinished_fails_the_sweep(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_jobs([job("seed=1"), job("seed=8")], outputs) == [0, 1]
    assert "1 failed" in (said := capsys.readouterr().out)
    assert "its process exited with 0, and the run is stopped (killed)" in said


@pytest.mark.usefixtures("stand_in")
def test_each_job_sees_gpus_of_its_own(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: ["3", "GPU-5"])
    jobs = [job(f"seed={seed}", "trainer.accelerator=gpu") for seed in (1, 4)]
    assert sweep.run_jobs(jobs, [""] * 2, outputs, warm=False) == [0] * 2
    seen = [line.split()[2] for line in (outputs / "order.txt").read_text().splitlines()]
    assert sorted(seen) == ["3", "GPU-5"]
