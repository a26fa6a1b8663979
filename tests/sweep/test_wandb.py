"""W&B and sweeps: jobs kept apart and grouped, the summary's table, an agent's command line, what is sent later."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pushforward import config
from pushforward.cli import main, run
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.runs import RunDir, every_run, every_sweep, runs_dir
from pushforward.sweep import sweep_record, wandb_sync
from pushforward.sweep.wandb_table import mirror, table

TINY = ["data=digits", "features=none", "metrics=none", "trainer=debug", "budget.images=1024", "network.hidden=[16]"]
OFFLINE = ["logger=wandb", "logger.mode=offline"]


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("WANDB_MODE", "WANDB_API_KEY", "PUSHFORWARD_SWEEP"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "outputs"


def summary(read_wandb: Any, folder: Path) -> tuple[Any, dict[str, Any], int]:
    """Of an offline sweep's run: the run, its summary table, its exit code."""
    logged = read_wandb(folder)
    [row] = [row for row in logged.history if "summary" in row]
    [file] = (folder / "wandb").glob(f"offline-run-*/files/{row['summary']['path']}")
    assert logged.exit_code is not None
    return logged.runs[0], json.loads(file.read_text()), logged.exit_code


@pytest.mark.slow
def test_jobs_of_a_sweep_are_runs_of_their_own_in_one_group_each_with_its_exit_code(
    outputs: Path, read_wandb: Any
) -> None:
    """Two real jobs, one of which diverges, and the summary's run beside them."""
    args = ["train", "-m", *TINY, *OFFLINE, "model=vae", "optimizer.model.lr=0.001,1e30", "hydra.launcher.parallel=2"]
    done = subprocess.run([sys.executable, "-m", "pushforward", *args], capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    [sweep] = every_sweep()
    runs = every_run()
    assert {run.state for run in runs} == {"finished", "diverged"} and sweep.run_ids == [
        next(r.id for r in runs if r.key("optimizer.model.lr") == lr) for lr in (0.001, 1e30)
    ]
    assert sweep.ended and not sweep.alive and sweep.name == "optimizer.model.lr=0.001,1e+30"
    group = sweep.written["group"]
    assert re.fullmatch(r"optimizer.model.lr=0.001,1e\+30 [0-9a-f]{8}", group)
    for one in runs:
        logged = read_wandb(one.path)
        assert {(r.run_id, r.run_group, r.job_type, tuple(r.tags)) for r in logged.runs} == {
            (one.id, group, "train", ("vae", "digits"))
        }
        assert logged.exit_code == (0 if one.state == "finished" else 1)
    its, shown, code = summary(read_wandb, sweep.path)
    assert (its.run_id, its.run_group, its.job_type, code) == (f"sweep-{group[-8:]}", group, "sweep", 1)
    assert shown["columns"][:3] == ["run", "state", "optimizer.model.lr"]
    assert [row[:3] for row in shown["data"]] == [
        [sweep.run_ids[0], "finished", "0.001"], [sweep.run_ids[1], "diverged", "1e+30"]
    ]  # fmt: skip


def test_the_table_has_what_jobs_differ_in_and_their_main_numbers_first(outputs: Path) -> None:
    jobs = [compose([*TINY, "model=vae", f"seed={seed}"]) for seed in (1, 2)]
    done = RunDir.create(runs_dir() / config.run_id(jobs[0]), jobs[0])
    done.set_status(state="finished")
    places = {"odd": {}, "bpd": {"order": [30, 4]}, "mse": {"order": [10, 0]}}
    done.write_record(
        {
            name: {"value": value, "unit": "", "card": {}, "column": places[name]}
            for name, value in (("odd", 1.0), ("bpd", 2.0), ("mse", 3.0))
        }
    )
    columns, rows = table(jobs, [["model=vae", "seed=1"], ["model=vae", "seed=2"]])
    assert columns == ["run", "state", "seed", "mse", "bpd", "odd"]
    assert rows == [[done.id, "finished", "1", 3.0, 2.0, 1.0], [config.run_id(jobs[1]), "new", "2", None, None, None]]


def test_a_table_that_cannot_be_logged_costs_no_sweep(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pushforward.training import loggers

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(loggers, "log_sweep", fails)
    job = compose([*TINY, *OFFLINE, "model=vae"])
    mirror(outputs, [job], [["seed=1"]], [0])
    assert capsys.readouterr().out == "", "nothing is summed up before the jobs are over"
    RunDir.create(runs_dir() / config.run_id(job), job).set_status(state="finished")
    mirror(outputs, [job], [["seed=1"]], [0])
    assert capsys.readouterr().out == "wandb: the sweep's table is not logged: no room\n"
    mirror(outputs, [compose([*TINY, "model=vae"])], [[]], [0])
    assert capsys.readouterr().out == "", "only where the jobs log to W&B"


def test_an_agent_s_command_line_is_one_that_train_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that `wandb agent` builds from the ready YAML, by wandb's own functions, for the ends of each range."""
    from wandb.sdk.launch.sweeps import utils

    asked = yaml.safe_load((config.conf_dir() / "study" / "wandb_sweep.yml").read_text())
    for end in (0, -1):
        values = {
            key: {
                "value": p["value"] if "value" in p else p["values"][end] if "values" in p else p[("min", "max")[end]]
            }
            for key, p in asked["parameters"].items()
        }
        formats = utils.create_sweep_command_args({"args": values})
        command = [
            word for part in utils.create_sweep_command(asked["command"])
            for word in (formats[part[2:-1]] if part.startswith("${") else [part])
        ]  # fmt: skip
        assert command[:2] == ["pushforward", "train"] and len(command) == 8 + len(values)
        assert run([*command[1:], "--cfg", "job"]) == 0
        composed = yaml.safe_load(capsys.readouterr().out)
        assert composed["weighting"]["beta"] == values["weighting.beta"]["value"]
        assert composed["model"]["code_dim"] == values["model.code_dim"]["value"]
        assert composed["logger"]["mode"] == "online"


def test_under_an_agent_the_sweep_there_names_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import wandb

    from pushforward.training import loggers

    taken: list[dict[str, Any]] = []
    monkeypatch.setattr(wandb, "init", lambda **arguments: taken.append(arguments))
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    loggers.start(tmp_path, "offline", 1, "pushforward", None, id="vae-digits-s1-000000")
    monkeypatch.delenv("WANDB_SWEEP_ID")
    loggers.start(tmp_path, "offline", 1, "pushforward", None, id="vae-digits-s1-000000")
    assert [("id" in arguments, "project" in arguments) for arguments in taken] == [(False, False), (True, True)]
    assert {arguments["name"] for arguments in taken} == {"vae-digits-s1-000000"}


@pytest.mark.parametrize(("named", "group"), [(None, "2026-01-01_00-00-00-7"), ("mine", "mine")])
def test_a_job_is_in_the_group_of_its_sweep(
    named: str | None, group: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import wandb

    from pushforward.training import loggers

    class Started(Exception):
        pass

    def begin(**arguments: Any) -> None:
        assert (arguments["group"], arguments["job_type"], arguments["tags"]) == (
            group,
            "train",
            ["vae", "digits", "x"],
        )
        raise Started

    monkeypatch.setattr(wandb, "init", begin)
    frozen = {"choices": {"model": "vae", "data": "digits"}, "tags": ["x"]}
    with sweep_record.grouped("2026-01-01_00-00-00-7"), pytest.raises(Started):
        loggers.wandb_logger(tmp_path, frozen, "p", None, named, "offline", 20, True)


def offline(run: RunDir, name: str = "offline-run-20260101_000000-x", sent: bool = False) -> Path:
    folder = run.path / "wandb" / name
    folder.mkdir(parents=True)
    (folder / "run-x.wandb").touch()
    if sent:
        (folder / "run-x.wandb.synced").touch()
    return folder


def test_sync_sends_what_is_not_sent_yet(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [RunDir.create(runs_dir() / f"vae-digits-s{seed}-00000{seed}", {"seed": seed}) for seed in range(4)]
    resumed = [offline(runs[0]), offline(runs[0], "offline-run-20260102_000000-x")]
    offline(runs[1], sent=True)
    offline(runs[2])
    assert runs[2].lock.acquire(), "one that is still logging"
    with sweep_record.recorded(outputs / "sweeps" / "2026-01-01_00-00-00-1", [], []):
        pass
    kept = RunDir(outputs / "sweeps" / "2026-01-01_00-00-00-1")
    table = offline(kept)
    asked: list[list[Path]] = []
    monkeypatch.setattr(wandb_sync, "ready", lambda: None)

    def send(paths: list[Path], works: bool) -> int:
        asked.append(paths)
        for path in paths if works else ():
            (path / "run-x.wandb.synced").touch()
        return int(not works)

    monkeypatch.setattr(wandb_sync, "wandb_sync", lambda paths: send(paths, works=False))
    with pytest.raises(PushforwardError, match=r"sent 0 of 2; the same command sends the rest"):
        wandb_sync.sync(["vae-digits-s0"])
    monkeypatch.setattr(wandb_sync, "wandb_sync", lambda paths: send(paths, works=True))
    assert wandb_sync.sync([]) == 0
    assert asked == [resumed, [*resumed, table]], "the oldest first"
    assert "1 still running" in capsys.readouterr().out
    runs[2].lock.release()
    assert wandb_sync.sync(["seed=1"]) == 0 and len(asked) == 2
    assert capsys.readouterr().out.startswith("nothing to send")


def test_without_a_key_or_an_answer_nothing_is_sent(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pushforward.training import loggers

    offline(RunDir.create(runs_dir() / "vae-digits-s1-000001", {"seed": 1}))
    monkeypatch.setattr(loggers, "has_key", lambda: False)
    monkeypatch.setattr(wandb_sync, "wandb_sync", lambda paths: pytest.fail("nothing may be sent"))
    for names, key in ((["has no key", "wandb login", "WANDB_API_KEY"], False), (["does not answer", "network"], True)):
        monkeypatch.setattr(loggers, "has_key", lambda key=key: key)
        monkeypatch.setattr(
            wandb_sync.urllib.request, "urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no route"))
        )
        with pytest.raises(SystemExit) as done:
            main(["sync"])
        message = capsys.readouterr().err
        assert done.value.code == 2 and message.count("\n") == 1 and all(name in message for name in names), message
