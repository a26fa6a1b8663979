"""A sweep on Ray: what a job asks for, what it is told, and a sweep on a Ray that is started here."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.runs import every_run, runs_dir
from pushforward.sweep import job_process
from pushforward.sweep.cluster import cluster_jobs, ray
from pushforward.sweep.jobs import Job, jobs_of

TINY = ["data=digits", "features=none", "metrics=none", "logger=none", "model=vae", "network.hidden=[16]"]
SETTINGS: dict[str, Any] = {"address": None, "cores": None, "num_cpus": None, "num_gpus": None}
installed = pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed")


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "outputs"


@pytest.mark.parametrize(
    ("overrides", "settings", "expected"),
    [
        ([], {}, (1, 0)),
        (["trainer.threads=4"], {}, (4, 0)),
        (["trainer=ddp_cpu", "trainer.threads=3"], {}, (6, 0)),
        (["trainer=gpu"], {}, (1, 1)),
        (["trainer=ddp"], {"num_cpus": 8}, (8, 2)),
        (["trainer=gpu"], {"num_gpus": 0.5}, (1, 0.5)),
    ],
)
def test_cores_and_gpus_of_a_job(overrides: list[str], settings: dict[str, Any], expected: tuple[float, float]) -> None:
    asked = SETTINGS | settings
    threads = lambda frozen: max(1, int(asked["num_cpus"] or 1) // ray.devices(frozen))  # noqa: E731
    (job,) = jobs_of([compose([*TINY, *overrides])], [""], threads)
    assert ray.resources(job, asked) == {"num_cpus": expected[0], "num_gpus": expected[1]}
    if settings.get("num_cpus"):
        assert job.frozen["trainer"]["threads"] == 4, "its cores, divided among its processes"


def test_a_job_in_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told of a stop before and after it began; the environment that it is handed."""
    file, halt = tmp_path / "frozen.yaml", tmp_path / "stop"
    with pytest.raises(FileNotFoundError, match="a file system that all nodes share"):
        ray.work(str(file), str(halt), {}, str(tmp_path))
    file.write_text("trainer: {threads: 2}")
    start, code = subprocess.Popen, "import os, signal; print(os.environ['WANDB_MODE'], flush=True); signal.pause()"
    monkeypatch.setattr(
        job_process.subprocess, "Popen", lambda command, **how: start([sys.executable, "-c", code], **how)
    )
    monkeypatch.setattr(job_process, "LOOK_SECONDS", 0.02)
    monkeypatch.setenv("WANDB_MODE", "online")
    exists = Path.exists

    def appears(path: Path) -> bool:
        """The file of a stop is there once the job has begun."""
        if path == halt:
            return exists(tmp_path / "job.log") and "offline" in (tmp_path / "job.log").read_text()
        return exists(path)

    monkeypatch.setattr(Path, "exists", appears)
    assert ray.work(str(file), str(halt), {"WANDB_MODE": "offline"}, str(tmp_path)) == -signal.SIGTERM
    monkeypatch.setattr(Path, "exists", exists)
    halt.touch()
    assert ray.work(str(file), str(halt), {}, str(tmp_path)) is None, "not begun"


def test_without_ray_and_on_several_nodes(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    several = compose([*TINY, "trainer=ddp", "trainer.num_nodes=2"])
    if find_spec("ray"):
        with pytest.raises(PushforwardError, match=r"trainer\.num_nodes: .* on one node"):
            ray.run_jobs([several], [""], outputs, SETTINGS)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PushforwardError, match=r"needs Ray: pip install 'pushforward\[ray\]'"):
        ray.run_jobs([several], [""], outputs, SETTINGS)
    assert not runs_dir().exists()


def test_what_no_machine_has_is_refused() -> None:
    class Small:
        @staticmethod
        def cluster_resources() -> dict[str, float]:
            return {"CPU": 2.0}

    with pytest.raises(PushforwardError, match=r"a job wants 4 CPUs and Ray finds 2 here"):
        ray.room(Small, [{"num_cpus": 4, "num_gpus": 0}], SETTINGS)
    with pytest.raises(PushforwardError, match=r"a job wants 1 GPUs and Ray finds 0 here; see trainer=cpu"):
        ray.room(Small, [{"num_cpus": 1, "num_gpus": 1}], SETTINGS)
    ray.room(Small, [{"num_cpus": 4, "num_gpus": 0}], SETTINGS | {"address": "auto"})  # it may grow


def arguments(*args: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "pushforward",
        "train",
        "-m",
        "hydra/launcher=ray",
        "hydra.launcher.cores=2",
        *TINY,
        *args,
    ]


@installed
@pytest.mark.slow
def test_four_jobs_on_a_ray_of_this_machine() -> None:
    """Two at a time, one of two processes among them; the same command again finds all finished, and starts no Ray."""
    sweep = arguments("budget.epochs=null", "budget.images=1024", "trainer=debug,ddp_cpu", "seed=1,2")
    done = subprocess.run(sweep, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 jobs: 0 finished before, 4 to run on Ray" in done.stdout and "sweep: 4 finished" in done.stdout
    assert "Traceback" not in done.stderr
    assert sorted(run.record["execution"]["devices"] for run in every_run()) == [1, 1, 2, 2]
    again = subprocess.run(sweep, capture_output=True, text=True)
    assert "4 skipped (finished)" in again.stdout and again.returncode == 0, again.stdout + again.stderr
    assert "to run on Ray" not in again.stdout


@installed
@pytest.mark.slow
def test_ctrl_c_checkpoints_what_runs_and_begins_no_more() -> None:
    sweep = subprocess.Popen(
        arguments("budget.epochs=100000", "trainer=cpu", "seed=1..3"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while sum((run.status.get("images_seen") or 0) > 0 for run in every_run()) < 2:
        assert sweep.poll() is None
        time.sleep(0.3)
    pids = [run.status["pid"] for run in every_run() if run.status]
    os.kill(sweep.pid, signal.SIGINT)
    shown, _ = sweep.communicate()
    assert sweep.returncode == 1 and "2 stopped" in shown and "1 not started" in shown, shown
    stopped = [run for run in every_run() if run.state == "stopped"]
    assert len(stopped) == 2 and all((run.checkpoints / "last.ckpt").is_file() for run in stopped)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_how_a_job_ended_is_read_from_its_folder(outputs: Path) -> None:
    job = Job(compose(TINY), "seed=1")
    cluster_jobs.over(job, "LOG")
    assert (job.state, job.code) == ("failed", 1) and job.error == "it ended before it began: see LOG"
