"""`pushforward status`: what the files say, at once for a thousand runs, again and again for those that run."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pushforward import cli
from pushforward.atomic_files import Lock, write_whole
from pushforward.report import eta, status
from pushforward.runs import Run, RunDir, Sweep, catalogue, chosen, every_study, every_sweep, runs_dir, schema

CONFIG = "choices:\n  data: digits\n  model: {model}\nresults: 1\nseed: {seed}\nmodel:\n  _target_: a.B\n" + "".join(
    f"  part{i}:\n    _target_: pushforward.objectives.Part\n    weight: {i}.5\n    other: [1, 2, 3]\n"
    for i in range(30)
)


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    return tmp_path


def shown(*runs: Run, sweeps: tuple[Sweep, ...] = (), every: bool = True) -> None:
    status.show(lambda: (runs, sweeps), every=every, watch=False)


def test_a_line_a_run_and_counts(make, capsys):
    shown(
        make("vae", mse=0.25, status={"budget_images": 200, "updated": "2026-01-01T00:00:00+00:00"}),
        make("gan", status={"state": "running", "host": "gone", "latest": {"loss": 3.0}}),
        make("ddpm", status={"state": "failed", "error": "no [memory] left"}),
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 3 + 1 and "\x1b" not in "".join(lines)
    assert "100 of 200 (50%)" in lines[1] and "mse 0.25" in lines[1] and "d" in lines[1] and "ago" in lines[1]
    assert {"stopped (killed)" in line for line in lines[2:4]} == {True, False}
    assert any("no [memory] left" in line for line in lines[2:4])
    assert lines[4] == "3 runs: 1 failed, 1 finished, 1 stopped (killed)"


def running(name: str, ago: float, seen: int = 5000) -> RunDir:
    """A run of this process that began `ago` seconds before its last news, and holds its lock."""
    run = RunDir.create(runs_dir() / name, {"choices": {"model": "vae", "data": "digits"}})
    assert run.lock.acquire()
    began = datetime.now(UTC) - timedelta(seconds=ago)
    run.set_status(
        state="running",
        started=began.isoformat(),
        images_seen=seen,
        budget_images=10000,
        latest={"kl": 2.5, "loss": 9.0},
        train_seconds=ago,
    )
    return run


def test_what_runs_has_a_bar_its_speed_its_terms_and_the_time_left(capsys):
    run = running("vae-digits-s1-000001", 10)
    try:
        shown(Run(run.path))
        line = capsys.readouterr().out.splitlines()[1]
        assert "waiting" not in line
        run.set_status(data_wait=0.42)
        shown(Run(run.path))
        assert "42 % of it waiting for data" in capsys.readouterr().out
    finally:
        run.lock.release()
    assert "━" in line and "kl 2.5" in line and "5,000 of 10,000 (50%)" in line
    [speed, left] = re.findall(r" (\d+)  (\d+) s +\d", line)[0]
    assert (int(speed), int(left)) == (pytest.approx(500, rel=0.15), pytest.approx(10, abs=1))


def test_speed_is_the_run_s_own_clock_s():
    run = RunDir.create(runs_dir() / "vae-digits-s1-000001", {})
    run.set_status(state="running", images_seen=5000)
    assert eta.speed(run) is None
    run.set_status(train_seconds=10.0)
    assert eta.speed(run) == 500


def sweep(*ids: str, name: str = "2026-01-01_00-00-00-7", **more: object) -> Sweep:
    folder = runs_dir().parent / "sweeps" / name
    content = {
        "name": "model=vae,gan",
        "started": datetime.now(UTC).isoformat(),
        "jobs": [{"run": i, "model": i.split("-")[0], "data": "digits"} for i in ids],
    }
    write_whole(folder / "sweep.json", json.dumps(content | more))
    return Sweep(folder)


def test_a_sweep_is_a_line_with_its_jobs_as_they_stand(capsys):
    for name, state in (("vae-digits-s1-000001", "finished"), ("gan-digits-s1-000002", "failed")):
        RunDir.create(runs_dir() / name, {}).set_status(state=state)
    made = sweep("vae-digits-s1-000001", "gan-digits-s1-000002", "gan-digits-s2-000003")
    runs, sweeps = chosen([])
    assert [s.id for s in sweeps] == [made.id] and len(runs) == 2
    status.show(lambda: (runs, sweeps), every=True, watch=False)
    line = capsys.readouterr().out.splitlines()[1]
    assert "model=vae,gan" in line and "3: 1 finished, 1 failed, 1 waiting" in line and "  stopped  " in line
    runs, sweeps = chosen(["2026-01"])
    assert len(runs) == 2 and len(sweeps) == 1, "a sweep's beginning means its runs"
    assert [r.id for r in chosen(["state=failed"])[0]] == ["gan-digits-s1-000002"]
    with Lock(made.path):
        assert made.alive


def test_a_search_is_a_line_with_its_best(outputs, capsys):
    told = {
        "name": "tuning",
        "trials": 30,
        "complete": 12,
        "pruned": 3,
        "failed": 0,
        "running": 1,
        "metric": ["val/kl"],
    }
    write_whole(
        outputs / "studies" / "tuning" / "status.json", json.dumps(told | {"best": {"value": 1.5, "run": "vae-x"}})
    )
    status.show(lambda: ([], []), every=True, watch=False, studies=every_study)
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("tuning") and "30: 12 complete, 3 pruned, 1 running" in line and "val/kl 1.5: vae-x" in line


def test_a_sweep_s_time_left_is_what_its_jobs_have_left():
    for seed in (1, 2):
        done = RunDir.create(
            runs_dir() / f"vae-digits-s{seed}-00000{seed}",
            {"choices": {"model": "vae", "data": "digits", "network": "mlp"}},
        )
        done.set_status(state="finished", budget_images=10000)
        done.write_record({}, cost={"train_seconds": 30.0, "images_seen": 10000, "evaluate_seconds": 10.0})
    run = running("vae-digits-s3-000003", 10)
    try:
        made = sweep(*(f"vae-digits-s{i}-00000{i}" for i in range(1, 6)), parallel=1)
        # 10 s of the running one and 10 s of measuring it; two of 40 s
        assert eta.sweep_left(made, made.runs(), eta.Estimates()) == pytest.approx(100, rel=0.05)
    finally:
        run.lock.release()
    assert eta.makespan([5], [10, 10, 1], 2) == 15
    assert eta.makespan([], [], 2) == 0


def a_thousand(root: Path) -> None:
    """Run directories of 40 sweeps, each with a config of 130 lines and a record of 40 numbers with their cards."""
    card = {f"key{i}": f"value {i} of a card" for i in range(15)}
    numbers = {f"metric_{i}": {"value": i / 7, "unit": "nats", "card": card, "na": None} for i in range(40)}
    record = json.dumps({"metrics": numbers, "cost": {"parameters": 10}}, indent=1)
    for i in range(1000):
        model, seed = ("vae", "gan", "ddpm", "flow")[i % 4], i // 4
        folder = root / f"{model}-digits-s{seed}-{i:06x}"
        folder.mkdir(parents=True)
        state = ("finished", "finished", "running", "failed")[i % 4]
        (folder / "config.yaml").write_text(CONFIG.format(model=model, seed=seed))
        told = {"state": state, "updated": "2026-01-01T00:00:00+00:00", "images_seen": i, "budget_images": 1000}
        told |= {"model": model, "data": "digits"}
        (folder / "status.json").write_text(json.dumps(told | {"latest": {"kl": 1.0}, "error": None}))
        (folder / ".lock").touch()
        if state == "finished":
            (folder / "record.json").write_text(record)
    ids = sorted(path.name for path in root.iterdir())
    for k in range(40):
        sweep(*ids[25 * k : 25 * k + 25], name=f"2026-01-01_00-00-{k:02}")


@pytest.mark.parametrize(
    ("running", "waiting", "ended", "seconds"),
    [
        ([1.0], [None] * 9, [60.0], 300.0),  # the second place is free at once: 5 of 60 there, 4 after the 1
        ([30.0, None], [], [60.0], 60.0),
        ([5.0, 5.0], [None, 20.0], [], 25.0),  # no one has ended: what waits is known of
        ([7.0], [None], [], 7.0),  # all that is known
        ([None], [None], [], None),
        ([], [], [60.0], 0.0),
    ],
)
def test_jobs_of_which_nobody_knows_take_what_others_took_in_whole(running, waiting, ended, seconds):
    found = eta.together(running, waiting, ended, 2)
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("words", "lines", "opened", "yaml", "json_"),
    [
        (["--all"], 1000, 3000, 0, 2000),  # of each run its status, of finished ones the record, of others the lock
        (["model=vae,seed=3"], 1, 1300, 1, 10),  # the first lines of a config tell of most that it is another's
        (["state=failed"], 250, 2500, 0, 2000),
    ],
)
def test_a_thousand_runs_are_read_once(words, lines, opened, yaml, json_, outputs, monkeypatch, capsys):
    """What costs time, counted: files opened, YAML and JSON parsed. A config has 130 lines, a record 40 cards."""
    a_thousand(runs_dir())
    counts, parse = Counter[str](), schema.parse_yaml

    def counted(name, function):
        def call(*args, **how):
            counts[name] += 1
            return function(*args, **how)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", counted("open", os.open))
        patch.setattr(json, "loads", counted("json", json.loads))
        patch.setattr(schema, "_of_parts", counted("yaml", schema._of_parts))
        patch.setattr(catalogue, "parse_yaml", counted("scalar", parse))
        assert cli.run(["status", *words]) == 0
    assert f"{lines} run" in capsys.readouterr().out.splitlines()[-1]
    assert lines <= counts["open"] <= opened and counts["yaml"] == yaml and counts["json"] <= json_, counts
    assert counts["scalar"] <= 5000, counts
    assert len(every_sweep()) == 40


def test_a_terminal_is_shown_what_fits(make, monkeypatch):
    import io

    from rich.console import Console

    runs = [make("vae", seed, status={"updated": f"2026-01-01T00:00:{seed:02}+00:00"}) for seed in range(40)]
    out = Console(file=io.StringIO(), force_terminal=True, width=120, height=24, color_system=None)
    monkeypatch.setattr(status, "console", lambda: out)
    shown(*runs, every=False)
    lines = out.file.getvalue().splitlines()
    assert len(lines) <= 24 and lines[0] == "… 22 more, older ones: pushforward status --all"
    assert "s39" in lines[-2] and lines[-1] == "40 runs: 40 finished"


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_watch_ends_quietly_with_ctrl_c(outputs, number):
    run = running("vae-digits-s1-000001", 10)
    run.lock.release()
    process = subprocess.Popen(
        [sys.executable, "-m", "pushforward", "status", "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout is not None
    assert "1 run: 1 stopped (killed)" in process.stdout.readline()
    run.set_status(state="finished")
    assert "1 run: 1 finished" in process.stdout.readline(), "a line when the counts change"
    process.send_signal(number)
    rest, errors = process.communicate()
    assert (process.returncode, rest, errors) == (0, "", "")
