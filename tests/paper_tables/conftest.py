"""The table of `support/paper_table.py` in a folder of one's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from paper_table import TABLE

from pushforward.paper_tables.planned import Preset
from pushforward.paper_tables.table_file import load
from pushforward.sweep import devices


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's own config folder with the table `mine`."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setattr(devices, "at_once", lambda *_: 1)  # on any machine
    (tmp_path / "own" / "table").mkdir(parents=True)
    (tmp_path / "own" / "table" / "mine.yaml").write_text(TABLE, encoding="utf-8")
    return tmp_path / "own"


@pytest.fixture
def preset(own: Path) -> Callable[..., Preset]:
    """preset("little"): the table `mine` under one of its budgets."""

    def made(which: str = "little", *overrides: str) -> Preset:
        table = load("mine", own)
        return Preset(table, which, table.budgets[which], tuple(table.budgets[which].seeds), overrides, own)

    return made
