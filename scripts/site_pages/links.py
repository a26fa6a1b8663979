"""The check of a built site: every link leads to a page and a place on it, and no page loads anything from elsewhere."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

TAG = re.compile(r"<(\w+)((?:\s+[\w:@.-]+(?:=(?:\"[^\"]*\"|'[^']*'|[^\s\"'>]+))?)*)\s*/?>")
ATTRIBUTE = re.compile(r"\s([\w:@.-]+)=(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
HIDDEN = re.compile(r"<!--.*?-->|(?<=<script>).*?(?=</script>)", re.DOTALL)
LOADS = ("img", "script", "iframe", "source", "video", "audio", "embed")
"""Elements that load their `src`."""
RELATIONS = {"stylesheet", "icon", "preconnect", "preload", "prefetch", "dns-prefetch", "modulepreload", "manifest"}
"""Relations of a <link> by which a browser asks its host."""


class Page:
    """The links of a page, the resources that it loads, and the places on it that a link may name."""

    def __init__(self, text: str) -> None:
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        for tag, rest in TAG.findall(HIDDEN.sub("", text)):
            given = {name: unescape(a or b or c) for name, a, b, c in ATTRIBUTE.findall(rest)}
            self.places |= {given[name] for name in ("id", "name") if name in given}
            if tag == "a" and "href" in given:
                self.links.append(given["href"])
            elif (tag == "link" and RELATIONS & set(given.get("rel", "").split())) or (tag in LOADS and "src" in given):
                self.loads.append(given["href" if tag == "link" else "src"])


def problems(site: Path) -> Iterator[str]:
    """Yield a line for each link into nothing and each resource from elsewhere."""

    def place(page: Path, path: str) -> Path:
        """The file that a link's path leads to; 404.html stands for any page, so it names all from the site's root."""
        return site / unquote(path).lstrip("/") if path.startswith("/") else page.parent / unquote(path)

    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        where = path.relative_to(site).as_posix()
        for load in page.loads:
            parts = urlsplit(load)
            if parts.scheme not in ("", "data") or parts.netloc:
                yield f"{where} loads {load} from elsewhere"
            elif not parts.scheme and not place(path, parts.path).is_file():
                yield f"{where} loads {load}, which is not there"
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = place(path, parts.path).resolve() if parts.path else path
            if not target.is_file():
                yield f"{where} links to {link}, which is not there"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
                yield f"{where} links to {link}, and there is no such place on that page"
