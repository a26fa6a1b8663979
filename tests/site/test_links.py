"""The check of a built site finds what leads nowhere and what is loaded from elsewhere."""

from pathlib import Path

import pytest

from site_pages.links import problems


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "a.css").write_text("")
    (tmp_path / "in" / "b.html").write_text('<h2 id="here">B</h2>')
    (tmp_path / "404.html").write_text('<link rel="stylesheet" href="/a.css"><a href="/in/b.html">b</a>')
    return tmp_path


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ('<a href="in/b.html#here">', ""),
        ("<a class=x href='https://example.org'>", ""),
        ('<img src="data:image/png;base64,AA=="><link rel="stylesheet" href="a.css"><link rel="next" href="in/b.html">', ""),
        ('<h1 id="top"><a href="#top">', ""),
        ('<!-- <a href="gone"> --><script>"<img src=gone>"</script>', ""),
        ('<a href="gone.html">', "a.html links to gone.html, which is not there"),
        ('<a href="in/b.html#gone">', "a.html links to in/b.html#gone, and there is no such place on that page"),
        ('<a\n  href="#gone">', "a.html links to #gone, and there is no such place on that page"),
        ('<img alt="a" src="gone.png">', "a.html loads gone.png, which is not there"),
        ('<script async src="https://cdn.example/x.js">', "a.html loads https://cdn.example/x.js from elsewhere"),
        ('<link href="//fonts.example/f.css" rel=stylesheet>', "a.html loads //fonts.example/f.css from elsewhere"),
        ('<link rel="preconnect" href="https://f.example" crossorigin>', "a.html loads https://f.example from elsewhere"),
    ],
)  # fmt: skip
def test_problems(site: Path, html: str, said: str) -> None:
    (site / "a.html").write_text(html)
    assert list(problems(site)) == [said] * bool(said)
