"""`hydra/launcher=vectorized`: a sweep whose jobs are trained as one where they can be."""

import re
from pathlib import Path

import pytest

from pushforward import cli
from pushforward.runs import every_run
from pushforward.sweep.jobs import ELSEWHERE, Job, ended

TINY = ["data=digits", "features=none", "metrics=none", "logger=none", "network.hidden=[16]", "trainer.threads=1"]


def test_a_sweep_of_what_can_be_stacked_and_what_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Eight runs in stacks, of which half diverge; then two that are trained alone."""
    grid = ("model=vae", "seed=1..4", "optimizer.model.lr=1e-3,1e30", "budget.epochs=2", "hydra.launcher.replicas=4")
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    sweep = ["train", "-m", "hydra/launcher=vectorized", *TINY]
    assert cli.run([*sweep, *grid]) == 1
    said = capsys.readouterr().out
    assert "8 jobs: 0 finished before, 8 to run" in said
    assert re.search(r"trained as one: stacks of [24]", said) or "is slower than one after the other" in said
    assert "4 diverged" in said
    runs = every_run(tmp_path / "runs")
    assert sorted(run.state for run in runs) == ["diverged"] * 4 + ["finished"] * 4
    assert all(run.record["execution"]["threads"] == 1 for run in runs if run.state == "finished")
    assert cli.run([*sweep, "model=sparse_ae_topk", "model.bottleneck.k=2,3", "budget.epochs=1"]) == 0
    why = "trained alone: model.bottleneck.k=2: coder.bottleneck.k is 2 in one and 3 in another, and no tensor"
    assert why in capsys.readouterr().out
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
