"""The site's navigation: patterns in it stand for the pages that match and stand nowhere else."""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any


def expanded(nav: Sequence[Any], pages: Iterable[str]) -> list[Any]:
    """The navigation with each pattern replaced by its pages, in their order; sections without a page are left out.

    nav: as in mkdocs.yml: paths, {title: path} and {title: list}. A pattern without a folder matches pages without one.
    """
    placed = set(paths(nav))
    free = [page for page in pages if page not in placed]

    def items(entries: Sequence[Any]) -> Iterator[Any]:
        for entry in entries:
            if isinstance(entry, str) and "*" in entry:
                yield from (page for page in free if page.count("/") == entry.count("/") and fnmatchcase(page, entry))
            elif isinstance(entry, dict):
                [(title, inner)] = entry.items()
                inside = list(items(inner)) if isinstance(inner, list) else inner
                yield from [{title: inside}] * bool(inside)
            else:
                yield entry

    return list(items(nav))


def paths(nav: Sequence[Any]) -> Iterator[str]:
    """Yield every path and pattern in a navigation."""
    for entry in nav:
        inner = next(iter(entry.values())) if isinstance(entry, dict) else entry
        yield from paths(inner) if isinstance(inner, list) else [inner]
