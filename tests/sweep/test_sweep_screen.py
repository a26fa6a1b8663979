"""What a sweep shows while it runs: bars in a terminal, lines elsewhere; how long it has left; its summary."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pushforward.composition import compose
from pushforward.runs import Run, RunDir
from pushforward.sweep import sweep_screen
from pushforward.sweep.jobs import Job

Jobs = Callable[..., list[Job]]


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """jobs(n): that many, waiting."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    return lambda n: [Job(compose(["model=vae", "data=digits", f"seed={s}"]), f"seed={s}") for s in range(1, n + 1)]


def begin(job: Job, seen: int = 0, **status: Any) -> None:
    job.state = "running"
    run = RunDir.create(job.path, job.frozen)
    run.set_status(state="running", images_seen=seen, budget_images=1000, latest={"kl": 2.5, "loss": 9.0}, **status)


def end(job: Job, seconds: float = 40.0) -> None:
    job.state = "finished"
    run = RunDir(job.path)
    run.set_status(state="finished", images_seen=1000)
    number = {"value": 2.25, "unit": "bits/dim", "card": {}, "na": None, "column": {"headline": 0}}
    run.write_record({"bpd": number}, cost={"train_seconds": seconds, "images_seen": 1000, "evaluate_seconds": 10.0})


def test_without_a_terminal_a_line_when_a_job_ends(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    made = jobs(4)
    made[3].state = "skipped (finished)"
    with sweep_screen.Screen(made) as shown:
        begin(made[0])
        begin(made[1])
        shown.update()
        assert capsys.readouterr().out == ""
        end(made[0])
        shown.update()
        shown.update()
        # the second goes on for 50 s, and the third takes 50 s after it
        assert capsys.readouterr().out == (
            f"finished   {made[0].path.name}  bpd 2.25 bits/dim  (2 of 4, about 2 min left)\n"
        )
        made[1].state, made[1].code, made[1].cause = "failed", 1, "ValueError: no luck"
    assert f"failed     {made[1].path.name}  ValueError: no luck  (3 of 4" in capsys.readouterr().out


def test_in_a_terminal_a_bar_a_job_with_speed_terms_and_time_left(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    out = Console(file=io.StringIO(), force_terminal=True, width=140, color_system=None)
    monkeypatch.setattr(sweep_screen.sys, "stderr", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    monkeypatch.setattr(sweep_screen, "Console", lambda file: out)
    monkeypatch.setattr(sweep_screen, "SECONDS", -1)
    made = jobs(3)
    shown = sweep_screen.Screen(made)
    shown.progress.get_time = lambda: float(next(clock)) / 100
    begin(made[0])
    for seen in range(0, 600, 100):
        RunDir(made[0].path).set_status(images_seen=seen)
        shown.update()
    out.print(shown.progress.get_renderable())
    lines = out.file.getvalue().splitlines()
    assert "sweep" in lines[-2] and "0 of 3" in lines[-2]
    assert all(word in lines[-1] for word in (made[0].path.name, "50%", "images/s", " left", "kl 2.5", "loss 9"))
    end(made[0])
    shown.update()
    out.print(shown.progress.get_renderable())
    lines = out.file.getvalue().splitlines()
    assert lines[-2] == f"finished   {made[0].path.name}  bpd 2.25 bits/dim", "a job that has ended has a line, no bar"
    assert "1 of 3" in lines[-1] and "about 2 min left" in lines[-1]


def test_the_summary_names_every_job_and_why_one_has_no_number(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    made = jobs(3)
    begin(made[0])
    end(made[0])
    begin(made[1])
    RunDir(made[1].path).set_status(state="failed", error="ValueError: no luck")
    made[1].state, made[1].code = "failed", 1
    made[1].log.touch()
    made[2].state = "skipped (finished)"
    sweep_screen.summarise(made)
    shown = capsys.readouterr().out
    assert shown.startswith("sweep: 1 finished, 1 failed, 1 skipped (finished)\n")
    assert f"finished: {made[0].path.name} (seed=1)  bpd 2.25 bits/dim" in shown
    assert f"failed: {made[1].path.name} (seed=2): ValueError: no luck\n    log: {made[1].log}" in shown
    assert f"skipped (finished): {made[2].path.name} (seed=3)" in shown
    assert Run(made[2].path).state == "new"


def test_an_interrupted_sweep_says_so_and_names_no_log(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    """What a job printed last is no cause; a full disk is one, and has a log."""
    made = jobs(3)
    for job, code in zip(made[:2], (143, 74), strict=True):
        begin(job)
        job.log.write_text("budget 25,140 images\n")
        job.state, job.code = "stopped", code
    RunDir(made[1].path).set_status(state="stopped", error="no space left on device; make room")
    made[2].state, made[2].code, made[2].cause = "not started", 130, "the sweep was stopped before its turn"
    sweep_screen.summarise(made)
    shown = capsys.readouterr().out
    assert f"  stopped: {made[0].path.name} (seed=1): interrupted\n" in shown and "budget" not in shown
    assert f"no space left on device; make room\n    log: {made[1].log}" in shown and shown.count("log:") == 1
    assert shown.endswith("interrupted; the same command resumes\n")


def test_what_is_counted_at_the_end_are_runs(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    made = [*jobs(2), *jobs(1), *jobs(1)]
    for job in made:
        begin(job)
        end(job)
    sweep_screen.summarise(made)
    shown = capsys.readouterr().out
    assert shown.startswith("sweep: 2 finished (4 jobs are 2 runs)\n") and shown.count("  finished: ") == 2
