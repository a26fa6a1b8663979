"""The process that starts jobs: what a fork of it is given, how it ends, and what it takes with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushforward.sweep.local.forkserver_client import BASE, Server, targets

sys.path.insert(0, str(Path(__file__).parent))
from killing import alive

HERE = {"PUSHFORWARD_OUTPUTS": "", "PYTHONPATH": str(Path(__file__).parent)}


@pytest.fixture(scope="module")
def warm() -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", HERE["PYTHONPATH"])
        server = Server(BASE)
    yield server
    server.close()


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PYTHONPATH", HERE["PYTHONPATH"])
    server = Server()
    yield server
    server.close()


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **HERE, **more}


def test_a_warm_child_is_what_a_process_from_a_shell_would_be(warm: Server, tmp_path: Path) -> None:
    """And multiplies matrices on two threads: after a parallel operation in its parent it would hang."""
    log = tmp_path / "log"
    told = environment(OMP_NUM_THREADS="2", CUDA_VISIBLE_DEVICES="3", MARK="yes")
    children = [
        warm.start("children.describe", [str(tmp_path / f"{i}")], log=log, environment=told, threads=2)
        for i in range(3)
    ]
    assert [child.wait() for child in children] == [7, 7, 7]
    lines = (tmp_path / "0").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines)
    assert said["threads"] == "2" and said["product"] == "1"
    assert said["cuda"] == "3" and said["mark"] == "yes" and said["folder"] == str(Path.cwd())
    assert said["leader"] == "1" and said["stdin"] == "" and said["torch before"] == "1"
    assert said["int"] == "default_int_handler" and said["term"] == "0"
    assert log.read_text() == "to the log\n" * 3


def test_exit_codes_signals_and_exceptions_are_told(cold: Server, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ends = [
        cold.start("children.end", [how], log=log, environment=environment()) for how in ("0", "3", "kill", "raise")
    ]
    assert [process.wait() for process in ends] == [0, 3, -signal.SIGKILL, 1]
    assert "ValueError: as asked" in log.read_text()
    waits = cold.start("children.end", ["wait"], log=log, environment=environment())
    assert waits.poll() is None
    waits.terminate()
    assert waits.wait() == -signal.SIGTERM
    fresh = cold.start("children.end", ["0"], log=log, command=["-c", "import sys; print(sys.argv); sys.exit(5)", "x"])
    assert fresh.wait() == 5
    assert "['-c', 'x']" in log.read_text()


def test_memory_is_bounded_for_each_process(cold: Server, tmp_path: Path) -> None:
    log = tmp_path / "log"
    small, large = (
        cold.start("children.end", ["memory"], log=log, memory_gb=gb, environment=environment()) for gb in (0.5, 1.5)
    )
    assert (small.wait(), large.wait()) == (1, 0)
    assert log.read_text().count("MemoryError") == 1
    assert Path("/proc/self/oom_score_adj").read_text().strip() != "500"


SWEEP = """
import os, signal, sys
from pathlib import Path
from pushforward.sweep.local.forkserver_client import Server
server = Server()
job = server.start("children.end", ["family", sys.argv[1]], log=Path(sys.argv[1]) / "log")
while sum(bool(path.read_text()) for path in Path(sys.argv[1]).glob("*.pid")) < 3: server.listen(0.02)
print("ready", flush=True)
END
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
@pytest.mark.parametrize(
    "end", ["signal.pause()", "raise SystemExit", "os.kill(server.process.pid, 9); signal.pause()"]
)
def test_nothing_outlives_the_sweep_however_it_ends(end: str, tmp_path: Path) -> None:
    """A job, its child and its grandchild go when the sweep is killed, or leaves; the job also when the server is killed."""
    sweep = subprocess.Popen(
        [sys.executable, "-c", SWEEP.replace("END", end), str(tmp_path)],
        env=environment(PUSHFORWARD_OUTPUTS=str(tmp_path)), stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert sweep.stdout is not None and sweep.stdout.readline() == b"ready\n"
    job, *others = (int(path.read_text()) for path in sorted(tmp_path.glob("*.pid")))
    if "9" in end:
        gone(tmp_path, {job})
        os.killpg(job, signal.SIGKILL)
        os.killpg(sweep.pid, signal.SIGKILL)
    elif "pause" in end:
        assert {job, *others} <= alive(tmp_path).keys()
        os.killpg(sweep.pid, signal.SIGKILL)
    sweep.wait()
    gone(tmp_path, {job, *others})
    gone(tmp_path, set(alive(tmp_path)))


def gone(outputs: Path, processes: set[int]) -> None:
    while processes & alive(outputs).keys():
        time.sleep(0.02)


def test_what_is_imported_ahead_is_ours() -> None:
    frozen = {
        "model": {"_target_": "pushforward.families.GAN", "parts": [{"_target_": "mine.Part"}]},
        "logger": {"_target_": "pushforward.training.loggers.wandb_logger"},
    }
    assert targets(frozen) == {"pushforward.families", "pushforward.training.loggers", "wandb"}
