"""Whatever ends a command is one line and an exit code: no room, no permission, a signal, a mistake of ours."""

import errno
import os
from pathlib import Path

import pytest

from pushforward import cli, crash_report
from pushforward.errors import PushforwardError
from pushforward.signals import Interrupted

CASES = [
    (PushforwardError("seed=x: a number"), 2, "error: seed=x: a number\n"),
    (KeyboardInterrupt(), 130, "interrupted\n"),
    (Interrupted(15), 143, "interrupted by SIGTERM\n"),
    (Interrupted(2), 130, "interrupted\n"),
    (
        OSError(errno.ENOSPC, "No space left on device", "/a/b"),
        74,
        "error: /a/b: no space left on device; make room; the ",
    ),
    (
        OSError(errno.EROFS, "Read-only file system"),
        74,
        "error: read-only file system; set PUSHFORWARD_OUTPUTS to a folder",
    ),
    (
        PermissionError(errno.EACCES, "Permission denied", "/a"),
        74,
        "error: /a: permission denied; get the permission, or",
    ),
    (
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/a"),
        74,
        "error: /a: no such file or directory; it was",
    ),
    (
        ZeroDivisionError("division by zero"),
        1,
        "error: ZeroDivisionError: division by zero (test_crash_report.py, line ",
    ),
]


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.delenv("PUSHFORWARD_FULL_ERROR", raising=False)
    return tmp_path / "outputs"


@pytest.mark.parametrize("command", ["status", "train"])
@pytest.mark.parametrize(("error", "code", "line"), CASES)
def test_whatever_a_command_raises_is_one_line(
    command: str, error: BaseException, code: int, line: str, outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def raises(args: list[str]) -> int:
        raise error

    monkeypatch.setitem(cli.COMMANDS, command, raises)
    assert cli.run([command]) == code
    shown = capsys.readouterr().err
    resumes = crash_report.RESUMES if command == "train" and isinstance(error, KeyboardInterrupt) else ""
    assert shown.startswith(line[:-1] + resumes if line.endswith("\n") else line) and shown.count("\n") == 1
    logs = list((outputs / "logs").glob("*")) if outputs.exists() else []
    assert bool(logs) == ("traceback is in" in shown) == (code in (1, 74))
    if logs:
        assert str(logs[0]) in shown and "Traceback" in logs[0].read_text()
    monkeypatch.setenv("PUSHFORWARD_FULL_ERROR", "1")
    if isinstance(error, Exception):
        with pytest.raises(type(error)):
            cli.run([command])


def test_the_traceback_goes_where_there_is_room(outputs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    outputs.write_text("a file, and no folder")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(crash_report.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    assert str(tmp_path / "tmp") in crash_report.keep_trace(ValueError())
    monkeypatch.setattr(crash_report.tempfile, "gettempdir", lambda: str(tmp_path / "nowhere" / "x"))
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only")))
    assert crash_report.keep_trace(ValueError()) == "PUSHFORWARD_FULL_ERROR=1 shows the traceback"


def test_a_working_directory_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.delenv("PUSHFORWARD_OUTPUTS")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    assert cli.run(["status"]) == crash_report.SYSTEM
    assert capsys.readouterr().err.startswith("error: no such file or directory; it was moved or deleted")
    os.chdir(tmp_path)


def test_a_table_is_shown_where_nothing_may_be_written(outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from pushforward.report import table_render
    from pushforward.runs import RunDir, runs_dir

    run = RunDir.create(runs_dir() / "vae-digits-s1-aaaa", {"choices": {"model": "vae", "data": "digits"}, "seed": 1})
    run.set_status(state="finished")
    run.write_record({"mse": {"value": 0.5, "unit": "", "card": {}, "na": None}})

    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "/outputs/tables")

    monkeypatch.setattr(table_render, "write", refused)
    before = sorted(outputs.rglob("*"))
    for command in (["table"], ["status"], ["show", "run", "latest"]):
        assert cli.run(command) == 0
    shown = capsys.readouterr()
    assert "0.5" in shown.out and sorted(outputs.rglob("*")) == before
    assert shown.err.startswith("the table's files are not written: /outputs/tables: read-only file system")
