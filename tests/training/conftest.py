"""Small runs to train within tests."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMALL = ("features=none", "metrics=none", "logger=none", "trainer.threads=1", "trainer.progress=false")
Compose = Callable[..., dict[str, Any]]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compose:
    """overrides -> the frozen config of a small run on digits whose directory lies in this test's folder."""
    from pushforward.composition import compose

    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)

    def frozen(*overrides: str, hidden: int | None = 32) -> dict[str, Any]:
        sized = [] if hidden is None else [f"network.hidden=[{hidden}]"]
        return compose(["data=digits", *SMALL, *sized, *overrides])

    return frozen


@pytest.fixture(scope="session")
def child_env() -> dict[str, str]:
    """The environment of a child process with one thread, that talks to no server."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
