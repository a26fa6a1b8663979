"""Ten to forty images of a person's own are enough for every family, from the first step to pictures and tables."""

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushforward.config import options
from pushforward.report.tables import build as table
from pushforward.runs import Run
from pushforward.training.dry_run import rehearse
from pushforward.training.train import train

Compose = Callable[..., dict[str, Any]]
CASES = list(zip(options("model"), cycle((10, 16, 40)), strict=False))
QUICK = ("batch_size=4", "budget.images=16", "budget.epochs=null", "metrics=default", "features=pixels")
CHEAP = ("metrics.costly_images=2", "metrics.images=4", "~metrics.likelihood")


@pytest.mark.parametrize(("model", "n"), CASES)
def test_a_run_on_a_few_images_is_finished_and_measured(
    small: Compose, tmp_path: Path, model: str, n: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(CASES) == len(options("model")) >= 13
    rng = np.random.default_rng(n)
    np.savez(tmp_path / "own.npz", x=rng.integers(0, 256, (n, 8, 8), dtype=np.uint8), y=np.arange(n) % 2)
    own = ("data=npz", f"data.source.path={tmp_path / 'own.npz'}")
    costly = (*CHEAP, "network=mlp", "network.hidden=[8]") if model in ("ddpm", "flow_matching") else ()
    frozen = small(f"model={model}", *own, *QUICK, *costly, hidden=None)
    rehearse([frozen])
    assert train(frozen, tmp_path / "run") == 0
    run = Run(tmp_path / "run")
    assert run.state == "finished" and run.record["failed"] == {} and run.metrics
    assert (run.samples / "curves.png").is_file() and table([run]).rows
    assert "numbers measured on so few mean little" in capsys.readouterr().out
