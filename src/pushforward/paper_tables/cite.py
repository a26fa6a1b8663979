"""BibTeX of what a table, a recipe or a run uses."""

import re
from collections.abc import Iterable
from pathlib import Path

from pushforward import config
from pushforward.config_files import defaults_of
from pushforward.errors import PushforwardError, near
from pushforward.paper_tables import table_file
from pushforward.recipes import CITED, comment, papers
from pushforward.runs import every_run, find

CHOICE = re.compile(r"[+]?([\w/]+)(?:@[\w.]+)?=(\w+)")
"""An override that chooses an option of a group."""


def cite(name: str, config_dir: Path | None = None) -> list[str]:
    """Return the entries of what a table, a recipe, or the runs that NAME means use, each once, in the order of use.

    Raises PushforwardError where there is nothing of the name, or a paper has no entry.
    """
    own = [config_dir] if config_dir else []
    keys = dict.fromkeys(cited(name, [config.conf_dir(), *own], config_dir))
    known = papers() | {key: entry for folder in own for key, entry in papers(folder / "papers.bib").items()}
    if lacking := [key for key in keys if key not in known]:
        raise PushforwardError(
            f"{', '.join(lacking)}: no such entry; write it into papers.bib beside your own config groups"
        )
    if not keys:
        raise PushforwardError(f"{name} names no paper")
    return list(dict.fromkeys(known[key] for key in keys))


def cited(name: str, folders: list[Path], config_dir: Path | None) -> list[str]:
    """Return the papers that a table, a recipe or runs name, by arXiv id or key."""
    tables = table_file.files(config_dir)
    if name in tables:
        table = table_file.read(tables[name])
        chosen = [*table.base, *(o for row in table.rows.values() for o in row.overrides)]
        chosen += [o for block in table.blocks.values() for o in block.overrides]
        chosen += [o for budget in table.budgets.values() for o in budget.overrides]
        return [*table.header.papers, *table.papers, *of_options(options(chosen), folders)]
    recipes = [path for folder in folders for path in (folder / "model").glob("*.yaml")]
    if name in {path.stem for path in recipes}:
        return of_options([("model", name)], folders)
    runs = find(name) if every_run() else []
    if not runs:
        raise PushforwardError(
            f"{name}: no table, recipe or run; {near(name, [*tables, *(path.stem for path in recipes)])}"
        )
    return of_options((pair for run in runs for pair in run.choices.items()), folders)


def options(overrides: Iterable[str]) -> list[tuple[str, str]]:
    """Return (group, option) of the overrides that may choose one."""
    return [(found[1], found[2]) for override in overrides if (found := CHOICE.fullmatch(override))]


def of_options(chosen: Iterable[tuple[str, str]], folders: list[Path]) -> list[str]:
    """Return the papers that the files of options name, and those of the options that these are made from."""
    found: list[str] = []
    for group, option in chosen:
        group = group.partition("@")[0].strip("/")
        for path in (folder / group / f"{option}.yaml" for folder in folders):
            if path.is_file():
                found += [arxiv or key for text in comment(path) for arxiv, key in CITED.findall(text)]
                inner = [(other or group, one) for other, one in defaults_of(path) if one not in ("_self_", option)]
                found += of_options(inner, folders)
    return found
