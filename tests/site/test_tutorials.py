"""The tutorials of the documentation run as they stand there, and print what they show."""

from pathlib import Path

import pytest
import tutorial
from tutorial import DOCS, Block, missing, run

PAGES = ["getting_started.md", *(page.relative_to(DOCS).as_posix() for page in sorted(DOCS.glob("tutorials/*.md")))]
"""docs/own_module.md has a test of its own."""
NEEDS = {"getting_started.md": "vl_convert", "tutorials/sweep.md": "optuna", "tutorials/notebook.md": "pandas"}
"""Packages of extras."""


@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(PAGES) >= 5
    if page in NEEDS:
        pytest.importorskip(NEEDS[page], reason=f"{page} needs {NEEDS[page]}: pip install 'pushforward[dev]'")
    with tutorial.reading(page, tmp_path) as printed:
        assert len(printed) >= 4


@pytest.mark.parametrize(
    ("wanted", "text", "first"),
    [
        ("a … d\n…\ne", "a  b c   d\nx\ne", ""),
        ("a d", "a b d", "a d"),
        ("a … d", "a b\nd", "a … d"),
        ("b\na", "a\nb\n", "a"),
        ("mse … (n=2)", "mse 1.5 (n=2)", ""),
    ],
)
def test_what_a_page_shows_stands_in_what_was_printed(wanted: str, text: str, first: str) -> None:
    assert missing(wanted, text) == first


def test_a_page_that_shows_something_else_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = [
        Block("python", "# a/b.py\nprint(1)\n"),
        Block("python", "# a/b.py\nprint(2)\n"),
        Block("bash", "python a/b.py\n"),
    ]
    [(_, text)] = run([*page, Block("text", "1\n2\n")])
    assert text == "1\n2\n" and Path("a/b.py").read_text() == "print(1)\nprint(2)\n"
    with pytest.raises(AssertionError, match=r"'3' is not in what 'python a/b\.py' printed"):
        list(run([*page, Block("text", "1\n3\n")]))
    with pytest.raises(AssertionError, match="what is a block of rust"):
        list(run([Block("rust", "")]))
