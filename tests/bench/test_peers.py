"""The script that compares with other packages says in a line when it cannot have them."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import peers
from bench.cases import CASES


def test_what_cannot_be_installed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(command: list[str], **more: Any) -> None:
        raise subprocess.CalledProcessError(1, command, stderr="much said\nERROR: No matching distribution\n")

    monkeypatch.setattr(peers.venv, "create", lambda *args, **more: None)
    monkeypatch.setattr(peers.subprocess, "run", refuse)
    assert peers.environment(tmp_path) is None
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "pythae: not measured, it cannot be installed: ERROR: No matching distribution"
    assert not (tmp_path / "installed").exists()


def test_what_is_installed_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "installed").touch()
    assert peers.environment(tmp_path) == tmp_path / "bin" / "python"
    assert capsys.readouterr().out == ""
    assert peers.CASE in CASES
