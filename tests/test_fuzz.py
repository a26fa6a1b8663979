"""A bounded, seeded part of `scripts/fuzz.py`: mutated lines, config files, run directories, checkpoints and data files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fuzz

HOW_MANY = {"line": 9, "config": 4, "run": 6, "checkpoint": 4, "data": 3}


WORKER = """
import json, os, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import fuzz
resource.setrlimit(resource.RLIMIT_DATA, (fuzz.MEMORY, fuzz.MEMORY))
stream = os.fdopen(os.dup(1), "w")  # a case captures sys.stdout
for kind, count in json.loads(sys.argv[3]).items():
    fuzz.work(fuzz.Sandbox(Path(sys.argv[2])), kind, range(count), 1, lambda found: print(
        json.dumps({"kind": kind, **found}), file=stream, flush=True))
"""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each case reports, all in one process of their own: an audit hook cannot be taken off."""
    box = fuzz.Sandbox.made(tmp_path_factory.mktemp("fuzz") / "box")
    arguments = [str(Path(fuzz.__file__).parent), str(box.root), json.dumps(HOW_MANY)]
    done = subprocess.run([sys.executable, "-P", "-c", WORKER, *arguments], stdout=subprocess.PIPE, text=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, found[-1]
    return found


@pytest.mark.parametrize("kind", HOW_MANY)
def test_each_ends_well_or_in_one_clear_line(kind: str, events: list[dict[str, Any]]) -> None:
    found = [event for event in events if event["kind"] == kind]
    assert [event for event in found if "wrong" in event] == []
    assert sum("at" in event for event in found) == HOW_MANY[kind]


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
