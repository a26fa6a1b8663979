"""At 80 columns a bar, its share, speed and time left stay readable, whatever a family has in terms; ids do not wrap."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import TaskProgressColumn, TimeRemainingColumn

from pushforward.report import bars, status
from pushforward.runs import RunDir, runs_dir

ID = "wgan_gp-fashion_mnist-s12-k3f9a2cq7x2m"
TERMS = {f"critic/a_term_of_many_{i}": 123.456789 * i for i in range(12)}


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)


@pytest.mark.parametrize("width", [80, 120])
def test_a_bar_fits_a_line_with_what_matters(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr(bars.sys, "stderr", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    out = terminal(width)
    shown = bars.bars(TaskProgressColumn(), TimeRemainingColumn(compact=True), out)
    shown.get_time = lambda: float(next(clock))
    task = shown.add_task(ID, total=10_000_000, terms=bars.terms(TERMS))
    for seen in range(0, 3_500_000, 123_456):
        shown.update(task, completed=seen)
    out.print(shown.get_renderable())
    [line] = out.file.getvalue().splitlines()
    assert len(line) <= width and ID in line and "━" in line and "35%" in line and "critic/" in line
    assert (" images/s" in line) == (width == 120) and "/s" in line and ":" in line
    assert ("term_of_many_0 0" in line) == (width == 120)


@pytest.mark.parametrize("width", [80, 120])
def test_status_shortens_everything_but_ids_and_states(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    out = terminal(width)
    monkeypatch.setattr(status, "console", lambda: out)
    more: dict[str, Any] = {"latest": TERMS, "images_seen": 123_456, "budget_images": 1_234_567}
    runs = [RunDir.create(runs_dir() / ID.replace("s12", f"s{seed}"), {}) for seed in (12, 13)]
    assert runs[0].lock.acquire()
    try:
        runs[0].set_status(state="running", **more)
        runs[1].set_status(state="failed", error="a long story that nobody reads to its end " * 5, **more)
        status.show(lambda: (runs, []), every=True, watch=False)
    finally:
        runs[0].lock.release()
    lines = out.file.getvalue().splitlines()
    assert len(lines) == 1 + 2 + 1 and max(map(len, lines)) <= width, "a line each"
    for run, state in ((runs[0], "running"), (runs[1], "failed")):
        [line] = [line for line in lines if line.startswith(run.id)]
        assert state in line and "10%" in line and ("123,456 of 1,234,567" in line) == (width == 120)
        assert "…" in line


def test_a_finished_run_is_a_short_block(tmp_path: Path) -> None:
    from pushforward.training.console import SHOWN, summary

    run = RunDir.create(tmp_path / ID, {})
    run.set_status(state="finished")
    run.write_record({f"number_{i}": {"value": i / 7, "unit": "nats", "card": {}, "na": None} for i in range(12)})
    lines = summary(run).splitlines()
    assert lines[:2] == [f"finished {ID}", "  number_0  0 nats"] and len(lines) == 1 + SHOWN + 1
    assert lines[-1] == f"  {12 - SHOWN} more: pushforward show run {ID}" and max(map(len, lines)) <= 80
