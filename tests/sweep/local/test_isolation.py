"""A sweep of five in which one job raises, one runs into its memory limit and one diverges: two finish."""

from pathlib import Path

import pytest

from pushforward import cli
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
        if self.calls <= 10:  # the rehearsal, before the sweep begins
            return torch.zeros(len(passed.x))
        if self.seed == 3:
            raise ValueError("the term of seed three")
        if self.seed == 5:
            torch.zeros(2**33, dtype=torch.uint8)
        return torch.full((len(passed.x),), torch.nan if self.seed == 7 else 0.0)
'''


def test_two_of_five_finish_and_three_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "faults.py").write_text(FAULTS)
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("PUSHFORWARD_ALLOW_MODULES", "faults")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    args = [
        "model=vae", "data=digits", "network.hidden=[16]", "features=none", "metrics=none", "logger=none",
        "trainer=debug", "budget.images=1024", "seed=1,3,5,7,8", "hydra.launcher.parallel=2", "hydra.launcher.memory_gb=4",
        "trainer.threads=1", "+model.objective.fault={_target_: faults.Fault, weight: 1.0, seed: '${seed}'}",
    ]  # fmt: skip
    code = cli.run(["train", "-m", *args])
    shown = capsys.readouterr()
    said = shown.out + shown.err
    assert code == 1, said
    runs = {run.key("seed"): run for run in every_run(tmp_path / "outputs" / "runs")}
    states = {seed: run.state for seed, run in runs.items()}
    assert states == {1: "finished", 3: "failed", 5: "failed", 7: "diverged", 8: "finished"}, said
    assert "sweep: 2 finished, 2 failed, 1 diverged" in shown.out
    summary = shown.out[shown.out.index("sweep: ") :]
    causes = {3: "the term of seed three", 5: "can't allocate memory", 7: "fault of player model is not finite"}
    for seed, cause in causes.items():
        line = next(line for line in summary.splitlines() if runs[seed].id in line)
        assert cause in line, line
        assert f"log: {runs[seed].path / 'job.log'}" in summary
    assert "Traceback" not in said
