"""The gallery of recipes: what their files say of them, and their numbers from packed records."""

import argparse
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from markdown.extensions.toc import slugify

from pushforward.cli.parser import words
from pushforward.config import conf_dir
from pushforward.config_files import defaults_of
from pushforward.recipes import FAMILIES, Header, by_family, comment, header, papers
from pushforward.report.run_list import RunList
from pushforward.report.table_render import markdown
from pushforward.runs import Run, unpack
from pushforward.runs.packed import SUFFIX
from pushforward.untrusted_text import md
from site_pages.text import code, folded, page, table
from write_docs_tables import DOCS, MARKED

KEYS = {heading: key for key, heading in FAMILIES.items()}


class Shown(NamedTuple):
    """A table in the documentation that is made of packed records."""

    title: str
    link: str
    """To the heading above it, from docs/."""
    runs: list[Run]
    columns: tuple[str, ...]
    across: tuple[str, ...]


def pages() -> dict[str, str]:
    """{path: text}: a page for each family, and one that lists them."""
    families = by_family([conf_dir()])
    shown = sorted(tables_shown(DOCS), key=lambda one: -len(one.runs))
    made = {"recipes/index.md": index(families)}
    for heading, files in families.items():
        made[path_of(heading)] = page(
            f"# {heading}",
            "Each recipe as its file has it, none tuned. Numbers are means ± standard deviations over seeds, from packed "
            "records; the page that a table is taken from says at which budget.",
            *numbers(files, shown),
            *(recipe(name, file) for name, file in files.items()),
        )
    return made


def path_of(heading: str) -> str:
    return f"recipes/{KEYS.get(heading, slugify(heading, '-'))}.md"


def index(families: Mapping[str, Mapping[str, Path]]) -> str:
    rows = []
    for heading, files in families.items():
        here = path_of(heading).removeprefix("recipes/")
        links = ", ".join(f"[{md(name)}]({here}#{name})" for name in files)
        rows.append([f"[{heading}]({here})", str(len(files)), links])
    count = sum(len(files) for files in families.values())
    return page(
        "# Recipes",
        f"{count} recipes, each a file in `conf/model/`: a sentence with the equation, the paper, a command to try, "
        "hyperparameters as published, and the numbers last measured. In the terminal `pushforward list models`, and "
        "`pushforward show model NAME` with parts, shapes and parameters on data of your choice.",
        table(["family", "recipes", ""], rows, "lrl"),
    )


def recipe(name: str, file: Path) -> str:
    said, known = header(file), papers()
    entries = [known[paper] for paper in said.papers if paper in known]
    based = [option for group, option in defaults_of(file) if group is None and option != "_self_"]
    return page(
        f"## {name}",
        f"**{md(said.title)}**" + (f": {md(said.equation)}" if said.equation else "."),
        "  \n".join(cited(line) for line in said.source),
        " ".join(map(md, said.notes)),
        code("\n".join(said.commands), "console") if said.commands else "",
        measured(said),
        folded(f"conf/model/{name}.yaml" + f", over {', '.join(based)}" * bool(based), code(body(file), "yaml")),
        folded("BibTeX", code("\n\n".join(entries), "bibtex"), "quote") if entries else "",
    ).rstrip()


def measured(said: Header) -> str:
    return "\n".join(f"- on {md(line)}" for line in said.measured)


def cited(source: str) -> str:
    """A source line with its arXiv ids as links; keys of papers.bib are left out."""
    shown = md(re.sub(r",? *@[a-z]+\d{4}[a-z]*", "", source))
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", shown)


def body(file: Path) -> str:
    """A file without its leading comment."""
    lines = file.read_text(encoding="utf-8").splitlines()
    skipped = len(comment(file)) + any(line.startswith("# @package") for line in lines)
    return "\n".join(lines[skipped:])


def tables_shown(docs: Path) -> Iterator[Shown]:
    """Yield the tables that stand in the documentation's pages, each with the runs of its records."""
    options = argparse.ArgumentParser()
    options.add_argument("--columns", default="")
    options.add_argument("--across", default="")
    for file in sorted(docs.glob("*.md")):
        text = file.read_text(encoding="utf-8")
        for marked in MARKED.finditer(text):
            _, kind, name, given, *_ = marked.groups()
            if kind != "table":
                continue
            title = re.findall(r"^#+ (.+)$", text[: marked.start()], re.MULTILINE)[-1]
            asked, _ = options.parse_known_args(shlex.split(given))
            runs = unpack(docs / "records" / f"{name}{SUFFIX}")
            yield Shown(
                title, f"{file.name}#{slugify(title, '-')}", list(runs), words(asked.columns), words(asked.across)
            )


def numbers(files: Mapping[str, Path], shown: list[Shown]) -> Iterator[str]:
    """Yield the rows of these recipes in the tables, each folded; the first is open."""
    kind = "???+"
    for one in shown:
        runs = RunList(run for run in one.runs if run.key("model") in files)
        if not runs:
            continue
        made = runs.table(["model"], one.columns, across=one.across)
        text = folded(one.title, f"From [{one.title}](../{one.link}).\n\n{markdown(made)}", "abstract")
        yield text.replace("???", kind, 1)
        kind = "???"
