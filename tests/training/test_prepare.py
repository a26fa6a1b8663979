"""The commit is noted where git tells it, and a run needs no git."""

import os
from pathlib import Path

import pytest

from pushforward.training import prepare

STUBS = {
    "none": None,
    "fails": "exit 128",
    "hangs": "exec sleep 60",
    "no text": "printf '\\377'; exit 1",
    "tells": "echo abc123",
}


@pytest.mark.parametrize("what", STUBS)
def test_a_git_that_is_missing_fails_or_hangs_is_no_commit(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "GIT_SECONDS", 0.2 if what == "hangs" else None)
    if STUBS[what]:
        (tmp_path / "git").write_text(f"#!/bin/sh\n{STUBS[what]}\n")
        (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}" + (f":{os.environ['PATH']}" if STUBS[what] else ""))
    assert prepare.commit() == ("abc123" if what == "tells" else None)
