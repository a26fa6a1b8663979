"""A job's process on another machine: what it is told, and what becomes of it when its starter dies."""

import math
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
import yaml

from pushforward.errors import PushforwardError
from pushforward.run_identity import identity
from pushforward.runs import RunDir
from pushforward.sweep import job_process
from pushforward.sweep.cluster.slurm_task import Task, environment

STAND_IN = """
import os, pathlib, signal, sys
folder = pathlib.Path(sys.argv[1]).parent
def stop(number, frame):
    with (folder / "told.txt").open("a") as file:
        file.write(f"{number} ")
    if sys.argv[2] != "deaf":
        sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
(folder / "began.txt").write_text(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']} {os.environ.get('LOCAL_RANK')}")
if sys.argv[2] == "fails":
    sys.exit("what went wrong")
while sys.argv[2] != "ends":
    signal.pause()
"""
"""A job that loads no torch: it says what it was told."""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """The frozen config of a job that is one of: stops, deaf, fails, ends."""

    def prepare(kind: str) -> Path:
        start = subprocess.Popen

        def started(command: list[str], **how: Any) -> "subprocess.Popen[bytes]":
            assert command[1:3] == ["-m", "pushforward.job"] and how["start_new_session"]
            return start([sys.executable, "-c", STAND_IN, command[3], kind], **how)

        monkeypatch.setattr(job_process.subprocess, "Popen", started)
        monkeypatch.setattr(job_process, "LOOK_SECONDS", 0.02)
        (tmp_path / "frozen.yaml").write_text(yaml.safe_dump({"trainer": {"threads": 3}}))
        return tmp_path / "frozen.yaml"

    return prepare


@pytest.fixture
def on_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that submitit's local executor gives to the second of two tasks."""
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    for key, value in (
        ("SUBMITIT_EXECUTOR", "local"), ("SUBMITIT_LOCAL_JOB_ID", "123456"), ("SUBMITIT_LOCAL_NTASKS", "2"),
        ("SUBMITIT_LOCAL_LOCALID", "1"), ("SUBMITIT_LOCAL_GLOBALID", "1"), ("SLURM_JOB_ID", "7"),
    ):  # fmt: skip
        monkeypatch.setenv(key, value)


def once(there: Path, action: Callable[[], None]) -> threading.Thread:
    """Does something as soon as the job has begun."""

    def wait() -> None:
        while not there.exists() or not there.read_text():
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.usefixtures("on_a_node")
@pytest.mark.parametrize("signals", [["SIGUSR2"], ["SIGTERM", "SIGUSR2"], ["SIGTERM"]])
def test_a_warning_stops_the_run_once_and_queues_it_again(job: Callable[[str], Path], signals: list[str]) -> None:
    file, requeued = job("stops"), list[int]()
    old = signal.signal(signal.SIGUSR2, lambda number, frame: requeued.append(number))  # as submitit's handler stands
    try:
        task = Task(file, patience=math.inf)
        thread = once(
            file.with_name("began.txt"), lambda: [os.kill(os.getpid(), getattr(signal, s)) for s in signals] and None
        )
        if signals == ["SIGTERM"]:
            with pytest.raises(SystemExit) as ended:
                task()
            assert ended.value.code == 143 and not requeued, "SLURM knows itself whether it queues the job again"
        else:
            assert task() == 143 and requeued == [signal.SIGUSR2]
        thread.join()
    finally:
        signal.signal(signal.SIGUSR2, old)
    assert file.with_name("told.txt").read_text() == f"{int(signal.SIGTERM)} ", (
        "told twice, a run stops without a checkpoint"
    )
    assert task.checkpoint().function is task
    assert file.with_name("began.txt").read_text().split()[1:] == ["3", "1"]


@pytest.mark.usefixtures("on_a_node")
def test_a_run_that_does_not_stop_is_killed_in_time(job: Callable[[str], Path]) -> None:
    file, requeued = job("deaf"), list[int]()
    old = signal.signal(signal.SIGUSR2, lambda number, frame: requeued.append(number))
    try:
        thread = once(file.with_name("began.txt"), lambda: os.kill(os.getpid(), signal.SIGUSR2))
        assert Task(file, patience=0.2)() == -signal.SIGKILL
        thread.join()
    finally:
        signal.signal(signal.SIGUSR2, old)
    assert requeued, "it goes on from its last checkpoint"


@pytest.mark.usefixtures("on_a_node")
def test_an_error_is_the_jobs_error_and_what_is_finished_is_not_begun(job: Callable[[str], Path]) -> None:
    file = job("fails")
    with pytest.raises(RuntimeError, match="exit code 1"):
        Task(file, patience=math.inf)()
    assert "what went wrong" in file.with_name("job-1.log").read_text()
    file.with_name("began.txt").unlink()
    RunDir(file.parent).set_status(state="finished")
    assert Task(file, patience=math.inf)() == 0 and not file.with_name("began.txt").exists()


@pytest.mark.usefixtures("on_a_node")
def test_ranks_are_told_where_slurm_does_not_tell_them() -> None:
    from submitit import JobEnvironment

    given = environment(JobEnvironment())
    assert {key: given[key] for key in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT")} == {
        "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_PORT": "18456",
    }  # fmt: skip
    assert "SLURM_JOB_ID" not in given, "Lightning would take it for SLURM's"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own rule, on Linux")
def test_a_job_dies_with_its_starter(tmp_path: Path) -> None:
    (tmp_path / "frozen.yaml").write_text("trainer: {threads: 1}")
    starter = f"""
import os, signal, subprocess, sys
from pathlib import Path
from pushforward.sweep import job_process
start = subprocess.Popen
job_process.subprocess.Popen = lambda command, **how: start([sys.executable, "-c", "import signal; signal.pause()"], **how)
print(job_process.begin(Path({str(tmp_path / "frozen.yaml")!r}), None).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    began = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True)
    assert began.stdout is not None
    pid = int(began.stdout.readline())
    began.wait()
    while alive(pid):
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_finished_run_is_an_answer_for_its_own_configuration_only(job: Callable[[str], Path]) -> None:
    file = job("ends")
    frozen = yaml.safe_load(file.read_text())
    run = RunDir.create(file.parent, frozen)
    run.set_status(state="finished", identity=identity(frozen))
    assert Task(file, patience=math.inf)() == 0
    run.set_status(identity=identity({**frozen, "seed": 2}))
    with pytest.raises(PushforwardError, match="it holds a run of another configuration"):
        Task(file, patience=math.inf)()
    assert not file.with_name("began.txt").exists()
