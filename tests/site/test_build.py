"""The site builds strictly: no warning, no link into nothing, nothing loaded from elsewhere, every page in the navigation."""

import json
import re
from pathlib import Path

import pytest

import pushforward as pf
from pushforward.cli import COMMANDS
from pushforward.config import options
from pushforward.paper_tables.table_file import files

build = pytest.importorskip("mkdocs.commands.build", reason="mkdocs builds the site: pip install 'pushforward[docs]'")
pytest.importorskip("material", reason="mkdocs-material is the site's theme: pip install 'pushforward[docs]'")
pytest.importorskip("mkdocstrings", reason="mkdocstrings reads docstrings: pip install 'pushforward[docs]'")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("built") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        patch.setenv("PUSHFORWARD_OUTPUTS", str(folder.parent))
        patch.chdir(ROOT)
        config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True)
        config.plugins.on_startup(command="build", dirty=False)
        build.build(config)
        config.plugins.on_shutdown()
    return folder


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_every_recipe_measure_command_and_table_has_its_place(site: Path) -> None:
    recipes = "".join(map(text, (site / "recipes").glob("*.html")))
    found = {
        "model": options("model"),
        "measure": options("measure"),
        "command": list(COMMANDS),
        "table": list(files(None)),
    }
    pages = {
        "model": recipes,
        "measure": text(site / "measures.html"),
        "command": text(site / "commands.html"),
        "table": text(site / "tables" / "index.html"),
    }
    assert len(found["model"]) > 90 and len(found["measure"]) > 20 and len(found["table"]) > 15
    for kind, names in found.items():
        assert [name for name in names if f'<h2 id="{name}">' not in pages[kind]] == [], kind


def test_every_public_name_is_described(site: Path) -> None:
    page = text(site / "api" / "index.html")
    assert [name for name in pf.__all__ if f'id="pushforward.{name}"' not in page] == []
    assert 'id="pushforward.objectives.Term.forward"' in text(site / "api" / "objectives.html")


def test_every_page_of_the_documentation_is_in_the_navigation(site: Path) -> None:
    navigation = text(site / "index.html")
    pages = [page.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 15
    assert [page for page in pages if page != "index.html" and f'href="{page}"' not in navigation] == []


def test_the_search_opens_from_disk(site: Path) -> None:
    index = json.loads(text(site / "search" / "search_index.js").removeprefix("var __index = "))
    assert any("MIG" in entry["text"] for entry in index["docs"])


def test_signatures_have_their_shapes(site: Path) -> None:
    page = re.sub(r"<[^>]+>", "", text(site / "api" / "metrics.html"))
    assert "Float[Tensor, &quot;n d&quot;]" in page or 'Float[Tensor, "n d"]' in page


def test_what_a_page_loads_from_elsewhere_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings of the site's own check count in a strict build."""
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort

    import site_hooks

    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "index.md"
    monkeypatch.setattr(site_hooks, "GENERATED", ())
    (tmp_path / "mkdocs.yml").write_text("site_name: small\ntheme: {name: null, custom_dir: theme}\nplugins: []\n")
    (tmp_path / "theme").mkdir()
    (tmp_path / "theme" / "main.html").write_text("{{ page.content }}")
    for html, ends in (("<p>nothing</p>", False), ('<img src="https://cdn.example/x.png">', True)):
        page.write_text(html)
        config = load_config(str(tmp_path / "mkdocs.yml"), strict=True)
        config.plugins["site_hooks"] = site_hooks
        if ends:
            with pytest.raises(Abort, match="1 warnings"):
                build.build(config)
        else:
            build.build(config)
