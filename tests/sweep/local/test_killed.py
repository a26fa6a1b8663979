"""A sweep that is killed loses nothing but what came after the last checkpoints, and leaves nothing running."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from killing import alive, arguments, check, kill_again_and_again, read, start

JOBS, EPOCHS = 3, 4


def test_a_sweep_killed_twice_ends_like_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pushforward import cli

    reference = tmp_path / "undisturbed"
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(reference))
    assert cli.run(["train", "-m", *arguments(JOBS, EPOCHS), "trainer.progress=false", "hydra/launcher=basic"]) == 0
    sweep = kill_again_and_again(tmp_path / "killed", JOBS, EPOCHS, 2, 3, "hydra.launcher.parallel=2")
    print(check(sweep, JOBS, EPOCHS, reference))
    assert len(sweep.hit) == 2 and sum(sweep.hit) > 0


@pytest.mark.slow
def test_a_job_of_two_processes_goes_with_its_sweep_and_goes_on(tmp_path: Path) -> None:
    """Both ranks are gone after the kill; the restarted sweep ends with one run, gone on with."""
    args = [*arguments(1, 6), "trainer=ddp_cpu", "trainer.log_every=0.01", "trainer.threads=1", "seed=1"]
    args = [a for a in args if a != "seed=1..1"]
    sweep = start(tmp_path, *args)
    while not list(tmp_path.glob("runs/*/checkpoints/last.ckpt")):
        assert sweep.poll() is None, read(tmp_path / "sweep.txt")
        time.sleep(0.02)
    assert sum("pushforward.job" in command for command in alive(tmp_path).values()) == 2, "two ranks"
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.wait()
    while alive(tmp_path):
        time.sleep(0.02)
    assert start(tmp_path, *args).wait() == 0, read(tmp_path / "sweep.txt")
    (run,) = (tmp_path / "runs").iterdir()
    assert "resumes" in read(run / "console.log") and '"finished"' in read(run / "status.json")
