"""Patterns in the navigation stand for the pages that stand nowhere else in it."""

from site_pages.navigation import expanded


def test_patterns_take_what_is_placed_nowhere() -> None:
    nav = [
        "index.md",
        {"Guides": ["a.md", "*.md", "z.md"]},
        {"Tables": ["tables/*.md"]},
        {"None": [{"Empty": ["e/*.md"]}]},
    ]
    pages = ["z.md", "index.md", "new.md", "a.md", "tables/two.md", "tables/one.md"]
    assert expanded(nav, pages) == [
        "index.md",
        {"Guides": ["a.md", "new.md", "z.md"]},
        {"Tables": ["tables/two.md", "tables/one.md"]},
    ]
