"""A sweep of eight in which one job raises, one runs into its memory limit and one diverges: five finish."""

import subprocess
import sys
from pathlib import Path

import pytest

from pushforward.runs import every_run

FAULTS = '''
import torch
from pushforward.objectives import Term

class Fault(Term):
    """A person's own term: nothing for most seeds."""
    symbol, unit = "0", "nats"

    def __init__(self, weight, seed):
        super().__init__(weight)
        self.seed, self.calls = seed, 0

    def forward(self, passed):
        self.calls += 1
        if self.calls <= 4:  # the rehearsal, before the sweep begins
            return torch.zeros(len(passed.x))
        if self.seed == 3:
            raise ValueError("the term of seed three")
        if self.seed == 5:
            torch.zeros(2**33, dtype=torch.uint8)
        return torch.full((len(passed.x),), torch.nan if self.seed == 7 else 0.0)
'''


def test_five_of_eight_finish_and_three_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faults.py").write_text(FAULTS)
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("PUSHFORWARD_ALLOW_MODULES", "faults")
    args = [
        "model=vae", "data=digits", "network.hidden=[16]", "features=none", "metrics=none", "logger=none",
        "trainer=debug", "budget.images=1024", "seed=1..8", "hydra.launcher.parallel=2", "hydra.launcher.memory_gb=4",
        "trainer.threads=1", "+model.objective.fault={_target_: faults.Fault, weight: 1.0, seed: '${seed}'}",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pushforward", "train", "-m", *args], capture_output=True, text=True, cwd=tmp_path
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    runs = {run.key("seed"): run for run in every_run(tmp_path / "outputs" / "runs")}
    states = {seed: run.state for seed, run in runs.items()}
    assert states == {**dict.fromkeys(range(1, 9), "finished"), 3: "failed", 5: "failed", 7: "diverged"}, said
    assert "sweep: 5 finished, 2 failed, 1 diverged" in done.stdout
    summary = done.stdout[done.stdout.index("sweep: ") :]
    causes = {3: "the term of seed three", 5: "can't allocate memory", 7: "fault of player model is not finite"}
    for seed, cause in causes.items():
        line = next(line for line in summary.splitlines() if runs[seed].id in line)
        assert cause in line, line
        assert f"log: {runs[seed].path / 'job.log'}" in summary
    assert "Traceback" not in said
