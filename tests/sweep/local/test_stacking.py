"""`hydra/launcher=vectorized`: a sweep whose jobs are trained as one where they can be."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pushforward.runs import every_run
from pushforward.sweep.jobs import ELSEWHERE, Job, ended

TINY = ["data=digits", "features=none", "metrics=none", "logger=none", "network.hidden=[16]", "trainer.threads=1"]


def sweep(outputs: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "pushforward", "train", "-m", "hydra/launcher=vectorized", *TINY, *overrides],
        capture_output=True, text=True,
        env={**os.environ, "PUSHFORWARD_OUTPUTS": str(outputs), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_a_sweep_of_what_can_be_stacked_and_what_cannot(tmp_path: Path) -> None:
    """Eight runs in stacks, of which half diverge; then two that are trained alone."""
    grid = ("model=vae", "seed=1..4", "optimizer.model.lr=1e-3,1e30", "budget.epochs=4", "hydra.launcher.replicas=4")
    done = sweep(tmp_path, *grid)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "8 jobs: 0 finished before, 8 to run" in done.stdout
    assert (
        re.search(r"trained as one: stacks of [24]", done.stdout) or "is slower than one after the other" in done.stdout
    )
    assert "4 finished, 4 diverged" in done.stdout or "4 diverged" in done.stdout
    runs = every_run(tmp_path / "runs")
    assert sorted(run.state for run in runs) == ["diverged"] * 4 + ["finished"] * 4
    assert all(run.record["execution"]["threads"] == 1 for run in runs if run.state == "finished")
    alone = sweep(tmp_path, "model=sparse_ae_topk", "model.bottleneck.k=2,3", "budget.epochs=1")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert (
        "trained alone: model.bottleneck.k=2: coder.bottleneck.k is 2 in one and 3 in another, and no tensor"
        in alone.stdout
    )
    assert len(every_run(tmp_path / "runs")) == 10


@pytest.mark.parametrize(
    ("code", "state", "expected"),
    [
        (0, "finished", ("finished", 0)),
        (0, "diverged", ("diverged", 1)),
        (0, "failed", ("failed", 1)),
        (0, "stopped", ("stopped", 130)),
        (0, "running", (ELSEWHERE, 1)),
        (-9, "finished", ("finished", 0)),
        (-9, "stopped (killed)", ("killed by signal 9", -9)),
    ],
)
def test_how_a_replica_ended(
    code: int, state: str, expected: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process for all: each run's status tells, and where it is killed, what had ended before is not lost."""
    from pushforward.composition import compose
    from pushforward.runs import Run

    class Over:
        def poll(self) -> int:
            return code

    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    monkeypatch.setattr(Run, "state", state)
    job = Job(compose([*TINY, "model=vae"]), "")
    job.process, job.stack, job.state = Over(), 0, "running"  # type: ignore[assignment]
    ended(job)
    assert (job.state, job.code) == expected
