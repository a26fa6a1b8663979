"""A cold start taken apart: every second is counted once."""

import json
from pathlib import Path

import pytest

from bench import cold
from bench.__main__ import main
from pushforward.errors import PushforwardError


def test_every_second_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    class Time:
        @staticmethod
        def time() -> float:
            return now[0]

    class Work:
        @staticmethod
        def inner() -> None:
            now[0] += 2

        @staticmethod
        def outer() -> None:
            now[0] += 1
            Work.inner()

    monkeypatch.setattr(cold, "time", Time)
    clock = cold.Clock(0.0)
    clock.timed(Work, "inner", "inner")
    clock.timed(Work, "outer", "outer")
    now[0] += 5
    clock.mark("first")
    Work.outer()
    now[0] += 4
    Work.inner()
    clock.mark("second")
    assert clock.phases == {"first": 5.0, "inner": 4.0, "outer": 1.0, "second": 4.0}
    assert sum(clock.phases.values()) == now[0]


def test_a_start_that_fails_says_why() -> None:
    with pytest.raises(PushforwardError, match=r"no step was logged: error: .*model=nothing"):
        cold.watched(["model=nothing"])


@pytest.mark.slow
def test_a_cold_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "start.json"
    assert main(["--start", "--rounds", "1", "--threads", "1", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert {"python", "imports: torch", "imports: hydra; composing", "data", "model", "first block of steps"} <= set(
        found["phases"]
    )
    assert min(found["phases"].values()) >= 0
    assert 0.3 < sum(found["phases"].values()) / found["median"] < 3
    assert "in all" in capsys.readouterr().out
