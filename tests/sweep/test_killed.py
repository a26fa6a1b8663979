"""A sweep that is killed loses nothing but what came after the last checkpoints, and leaves nothing running."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from killing import arguments, check, kill_again_and_again

JOBS, EPOCHS = 4, 4


def test_a_sweep_killed_twice_ends_like_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pushforward import cli

    reference = tmp_path / "undisturbed"
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(reference))
    assert cli.run(["train", "-m", *arguments(JOBS, EPOCHS), "trainer.progress=false", "hydra/launcher=basic"]) == 0
    sweep = kill_again_and_again(tmp_path / "killed", JOBS, EPOCHS, 2, 0, "hydra.launcher.parallel=2")
    print(check(sweep, JOBS, EPOCHS, reference))
    assert len(sweep.hit) == 2 and sum(sweep.hit) > 0
