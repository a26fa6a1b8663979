"""A bounded, seeded part of `scripts/fuzz.py`: mutated lines, config files, run directories, checkpoints and data files."""

import subprocess
import sys
from pathlib import Path

import pytest

import fuzz

HOW_MANY = {"line": 12, "config": 6, "run": 8, "checkpoint": 5, "data": 4}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> fuzz.Sandbox:
    return fuzz.Sandbox.made(tmp_path_factory.mktemp("fuzz") / "box")


@pytest.mark.parametrize("kind", HOW_MANY)
def test_each_ends_well_or_in_one_clear_line(kind: str, box: fuzz.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: an audit hook cannot be taken off. However long it takes on a busy machine."""
    monkeypatch.setattr(fuzz, "PATIENCE", None)
    found = list(fuzz.supervised(box.root, kind, range(HOW_MANY[kind]), seed=1))
    assert [event for event in found if "wrong" in event] == []
    assert sum("at" in event for event in found) == HOW_MANY[kind] and found[-1]["done"] >= HOW_MANY[kind]


def test_every_kind_is_tried() -> None:
    assert set(HOW_MANY) == set(fuzz.KINDS)


def test_the_hook_sees_what_is_not_allowed(tmp_path: Path) -> None:
    """What must not happen would be noticed: a write, a process and a stranger's module."""
    script = f"""
import sys, subprocess
from pathlib import Path
sys.path.insert(0, {str(Path(fuzz.__file__).parent)!r})
import fuzz
(Path({str(tmp_path)!r}) / "box").mkdir()
watch = fuzz.Watch(fuzz.Sandbox(Path({str(tmp_path)!r}) / "box"))
watch.on = True
tried = [lambda: open({str(tmp_path / "outside")!r}, "w"), lambda: subprocess.run(["true"])]
for what in [*tried, lambda: __import__("evil_module")]:
    try:
        what()
    except (PermissionError, ImportError):
        pass
open({str(tmp_path / "box" / "inside")!r}, "w").close()
watch.on = False
assert len(watch.found) == 3, watch.found
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert not (tmp_path / "outside").exists() and (tmp_path / "box" / "inside").exists()
