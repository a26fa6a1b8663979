"""Recipes as their files describe them: families, papers, lists."""

import re
from pathlib import Path

import pytest

from pushforward import cli, config
from pushforward.recipes import FAMILIES, by_family, family_of, header, papers

RECIPES = sorted((config.conf_dir() / "model").glob("*.yaml"))


def test_every_recipe_has_a_family_a_paper_and_a_command() -> None:
    assert len(RECIPES) >= 68
    for path in RECIPES:
        found = header(path)
        assert family_of(path, [config.conf_dir()]) in FAMILIES, f"{path.name}: family: {', '.join(FAMILIES)}"
        assert found.equation and found.papers, f"{path.name}: arXiv:… or @key in the source line"
        assert set(found.papers) <= set(papers()), f"{path.name}: src/pushforward/assets/papers.bib needs an entry"
        assert any(f"model={path.stem}" in command for command in found.commands), path.name


def test_entries_are_whole_and_each_has_one_key() -> None:
    text = (Path(config.__file__).parent / "assets" / "papers.bib").read_text(encoding="utf-8")
    keys, ids = re.findall(r"^@\w+\{(\S+),$", text, re.MULTILINE), re.findall(r"eprint = \{(\S+)\}", text)
    assert len(set(keys)) == len(keys) >= 60 and len(set(ids)) == len(ids) >= 55
    assert papers().keys() == {*keys, *ids}
    for key in keys:
        entry = papers()[key]
        assert entry.count("{") == entry.count("}")
        assert {"title", "author", "year"} <= set(re.findall(r"^  (\w+) = \{.*\},$", entry, re.MULTILINE)), key


def test_a_header_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "# mine: A model of my own: min −log p(x).\n# After Vincent et al. 2010, @vincent2010stacked, arXiv:1312.6114\n"
        "# pushforward train model=mine\n# A note.\n# measured on digits: mse 0.1, 2.0 s (3 epochs, 1 seed)\norder: 5\n"
    )
    found = header(path)
    assert (found.title, found.equation) == ("A model of my own", "min −log p(x).")
    assert found.papers == ["vincent2010stacked", "1312.6114"]
    assert found.commands == ("pushforward train model=mine",) and found.notes == ("A note.",)
    assert found.measured == ("digits: mse 0.1, 2.0 s (3 epochs, 1 seed)",)


def test_a_persons_own_recipe_has_the_family_of_what_it_is_made_from(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "child.yaml").write_text("defaults:\n  - vae\n  - _self_\n")
    (folder / "named.yaml").write_text("family: energy-based\n")
    (folder / "lone.yaml").write_text("# lone: One.\n")
    found = by_family([config.conf_dir(), tmp_path])
    assert "child" in found["Variational autoencoders"] and set(found["energy-based"]) == {"named"}
    assert list(found)[-2:] == ["energy-based", "Others"] or list(found)[-2:] == ["Others", "energy-based"]
    assert sum(map(len, found.values())) == len(RECIPES) + 3


def test_the_list_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the output for a terminal, of the width in COLUMNS
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["list", "models"]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) >= len(RECIPES) + 2 * len(FAMILIES) - 1
    assert [line for line in lines if line and line[0] != " "] == list(FAMILIES.values())
    assert all(re.search(rf"^  {path.stem} +\S", shown, re.MULTILINE) for path in RECIPES)
