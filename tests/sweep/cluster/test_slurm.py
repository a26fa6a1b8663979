"""A sweep on SLURM: what is submitted, what is not, and that a requeued run resumes. The cluster is a stand-in."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pushforward import config
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.launch import CODES
from pushforward.runs import Run, RunDir, every_run, runs_dir
from pushforward.sweep.cluster import cluster_jobs, slurm

pytest.importorskip("submitit", reason="the extra slurm is not installed")

TINY = ["data=digits", "features=none", "metrics=none", "logger=none", "model=vae", "network.hidden=[16]"]
SHORT = ["budget.epochs=null", "budget.images=1024", "selection.every=0.5"]
SETTINGS: dict[str, Any] = {
    "cluster": None, "partition": "gpu", "timeout_min": 60, "timeouts": 3, "cpus_per_task": 2, "gpus_per_node": None,
    "mem_gb": 4, "array_parallelism": 2, "setup": ["export FROM_SETUP=1"], "signal_delay_s": 30, "sbatch": {"account": "lab"},
    "wait": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(cluster_jobs, "CODES", [])
    return tmp_path / "outputs"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SLURM's commands; jobs stay in the queue while its file `hold` is there."""
    home, programs = tmp_path / "cluster", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    for name in ("sbatch", "srun", "scontrol", "sacct", "squeue", "scancel"):
        file = programs / name
        file.write_text(
            f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("stand_in_slurm.py")} {name} "$@"\n'
        )
        file.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("SLURM_STAND_IN", str(home))
    return home


def job(*overrides: str) -> dict[str, Any]:
    return compose([*TINY, *SHORT, *overrides])


def launch(frozen: list[dict[str, Any]], folder: Path, **settings: Any) -> list[int]:
    folder.mkdir(parents=True, exist_ok=True)
    return slurm.run_jobs(frozen, [f"seed={f['seed']}" for f in frozen], folder, SETTINGS | settings)


# What is submitted ---------------------------------------------------------------------------------------------------


def test_one_task_a_device_and_an_array_for_jobs_alike(
    outputs: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster_jobs, "rehearse", lambda jobs: None)
    (cluster / "hold").touch()
    done, *rest = [job(f"seed={seed}") for seed in (1, 2, 3)]
    several = job("seed=4", "trainer=ddp", "trainer.devices=4", "trainer.num_nodes=2")
    RunDir.create(runs_dir() / config.run_id(done), done).set_status(state="finished", images_seen=1024)
    assert launch([done, *rest, several, several], outputs / "sweep") == [0, 0, 0, 0, 0]
    said = capfd.readouterr().out
    assert (
        "5 jobs: 1 finished before, 3 to submit to slurm" in said and "4001_1" in said and "pushforward status" in said
    )
    array, alone = ((cluster / f"{number}.sbatch").read_text() for number in (4001, 4101))
    for line in (
        "--array=0-1%2", "--ntasks-per-node=1", "--nodes=1", "--cpus-per-task=2", "--partition=gpu", "--account=lab",
        "--signal=USR2@30", "--time=60", "--mem=4GB", "--job-name=pushforward", "--gpus-per-node=0", "--open-mode=append",
    ):  # fmt: skip
        assert f"#SBATCH {line}" in array
    assert "export FROM_SETUP=1" in array and re.search(r"^srun .*--cpus-per-task=2 --kill-on-bad-exit=1 ", array, re.M)
    for line in ("--ntasks-per-node=4", "--nodes=2", "--gpus-per-node=4"):
        assert f"#SBATCH {line}" in alone
    for frozen, number in zip([*rest, several], ("4001_0", "4001_1", "4101"), strict=True):
        run = Run(runs_dir() / config.run_id(frozen))
        assert run.state == "queued" and json.loads((run.path / slurm.TICKET).read_text())["job"] == number
        assert yaml.safe_load((run.path / "frozen.yaml").read_text())["trainer"]["threads"] == 2


def test_what_is_in_the_queue_is_not_submitted_again(
    outputs: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster_jobs, "rehearse", lambda jobs: None)
    (cluster / "hold").touch()
    launch([job("seed=1"), job("seed=2")], outputs / "first")
    (cluster / "4001_1.state").write_text("CANCELLED")
    assert launch([job("seed=1"), job("seed=2")], outputs / "second") == [0, 0]
    said = capfd.readouterr().out
    assert "2 jobs: 0 finished before, 1 to submit" in said and "1 in the queue as 4001_0, 1 submitted" in said
    assert len(list(cluster.glob("*.sbatch"))) == 2


def test_what_slurm_refuses_is_one_line(
    outputs: Path, cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_jobs, "rehearse", lambda jobs: None)
    with pytest.raises(PushforwardError, match=r"nonsense") as refused:
        launch([job()], outputs / "a", sbatch={"nonsense": 1})
    assert "\n" not in str(refused.value)
    assert not runs_dir().exists()
    (tmp_path / "bin" / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpu' >&2\nexit 1\n"
    )
    with pytest.raises(PushforwardError, match=r"^hydra/launcher=slurm: .*invalid partition specified: gpu") as refused:
        launch([job()], outputs / "b")
    assert "\n" not in str(refused.value)
    assert [run.state for run in every_run()] == ["stopped"], "it is not in a queue"


def test_without_submitit_or_slurm(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "which", lambda name: None)
    with pytest.raises(PushforwardError, match=r"no srun here.*hydra\.launcher\.cluster=local"):
        launch([job()], outputs / "a")
    with pytest.raises(PushforwardError, match=r"cluster=pbs: choose from null \(SLURM\), local, debug"):
        launch([job()], outputs / "a", cluster="pbs")
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(PushforwardError, match=r"needs submitit: pip install 'pushforward\[slurm\]'"):
        launch([job()], outputs / "a")
    assert not runs_dir().exists() and not CODES


# What runs -----------------------------------------------------------------------------------------------------------


def command(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "pushforward", *args], capture_output=True, text=True, check=False)


LAUNCHER = ["hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1"]


@pytest.mark.slow
def test_four_jobs_on_submitits_local_executor(outputs: Path) -> None:
    """One command that waits; jobs of two processes have one run directory and give what one process gives."""
    sweep = [
        *TINY,
        "budget.epochs=null",
        "budget.images=1024",
        "trainer=debug,ddp_cpu",
        "seed=1,2",
    ]  # debug: one process
    done = command("train", "-m", *LAUNCHER, "hydra.launcher.cluster=local", *sweep, "hydra.launcher.wait=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 jobs: 0 finished before, 4 to submit to local" in done.stdout and "Traceback" not in done.stderr
    assert "sweep: 4 finished" in done.stdout
    found = {(run.record["execution"]["devices"], run.key("seed")): run for run in every_run()}
    assert sorted(found) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for (devices, seed), run in found.items():
        assert run.state == "finished" and (run.path / "job-1.log").exists() == (devices == 2)
        alone = found[1, seed].status["latest"]
        assert run.status["latest"] == pytest.approx(alone, rel=1e-4)  # float32 sums in another order


@pytest.mark.slow
def test_detached_on_a_stand_in_of_slurm(outputs: Path, cluster: Path) -> None:
    """The command returns with the jobs in the queue; Lightning takes ranks from what SLURM says; all finish."""
    done = command("train", "-m", *LAUNCHER, *TINY, *SHORT, "trainer=ddp_cpu", "seed=1,2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 submitted" in done.stdout
    until(lambda: [run.state for run in every_run()] == ["finished", "finished"])
    for run in every_run():
        assert run.record["execution"]["devices"] == 2
        assert (run.path / "job-1.log").exists(), "its second task"
    assert (
        "2 skipped (finished)" in command("train", "-m", *LAUNCHER, *TINY, *SHORT, "trainer=ddp_cpu", "seed=1,2").stdout
    )


@pytest.mark.slow
def test_a_warned_run_is_queued_again_and_goes_on(outputs: Path, cluster: Path) -> None:
    """SIGTERM and SIGUSR2 to both tasks, as at pre-emption: one checkpoint, a second start from it, the whole budget."""
    asked = [*TINY, "budget.epochs=60", "trainer=ddp_cpu", "selection.every=1000", "seed=1"]
    run = runs_dir() / config.run_id(compose(asked))
    done = command("train", "-m", *LAUNCHER, *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: (Run(run).status.get("images_seen") or 0) > 0)
    for number in ("TERM", "USR2"):
        subprocess.run(["scancel", "4001", "--signal", number], check=True)
    until(lambda: Run(run).state == "finished")
    log = (run / "job.log").read_text()
    assert log.count("interrupted by SIGTERM") == 1 and log.count("resumes") >= 1, log
    status = Run(run).status
    assert 0 <= status["images_seen"] - status["budget_images"] < 64, "the budget, rounded up to batches"
    rows = [int(line.split(",")[0]) for line in (run / "metrics.csv").read_text().splitlines()[1:]]
    assert rows == sorted(rows), "what was trained after the checkpoint is not there twice"


def until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.3)
