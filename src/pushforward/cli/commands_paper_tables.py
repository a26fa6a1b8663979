"""Commands over tables of papers."""

import re
from dataclasses import replace
from pathlib import Path

from pushforward.cli.commands_about import folder
from pushforward.cli.parser import Parser
from pushforward.errors import PushforwardError
from pushforward.output_streams import steady


def reproduce(args: list[str]) -> int:
    """pushforward reproduce: tables of papers; NAME runs what is missing of one, and prints it beside what was published."""
    parser = Parser("pushforward reproduce", description=reproduce.__doc__)
    parser.add_argument("name", nargs="?", help="a table; none: all are listed")
    parser.add_argument(
        "overrides",
        nargs="*",
        help="preset=cpu_small: the budget; seed=1..3 in the place of its seeds; hydra/launcher=…, trainer=…, logger=…",
    )
    parser.add_argument(
        "--plan", action="store_true", help="what is done, what is to run, and about how long; nothing is started"
    )
    parser.add_argument(
        "--records", type=Path, default=None, metavar="FILE", help="the table of packed records; nothing is started"
    )
    parser.add_argument("--config-dir", type=Path, default=None, help="a folder of your own groups, tables among them")
    parser.add_argument("--out", type=Path, default=None, help="folder for md, tex and csv; default: outputs/tables")
    asked = parser.parse_intermixed_args(args)
    own = folder(asked.config_dir)
    from pushforward.paper_tables import reproduce as tables

    if asked.name is None:
        print("\n".join(tables.listing(own)))
        return 0
    named = dict(word.partition("=")[::2] for word in asked.overrides if word.startswith(("preset=", "seed=")))
    rest = [word for word in asked.overrides if not word.startswith(("preset=", "seed="))]
    if wrong := next((word for word in rest if "=" not in word and not word.startswith("~")), None):
        raise PushforwardError(f"pushforward reproduce {wrong}: write key=value, such as preset=cpu_small")
    chosen = tables.preset(
        asked.name, named.get("preset"), rest, numbers(named["seed"]) if "seed" in named else None, own
    )
    if asked.records:
        chosen = replace(chosen, records=asked.records)
    if asked.plan:
        return tables.show_plan(chosen)
    if asked.records:
        tables.show(chosen, tables.plan(chosen), asked.out)
        return 0
    with steady():
        return tables.run(chosen, asked.out)


def numbers(text: str) -> list[int]:
    """Return the seeds of `1..3` or `1,2,5`."""
    found: list[int] = []
    for part in text.split(","):
        span = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", part.strip())
        if span is None:
            raise PushforwardError(f"seed={text}: write 1..3 or 1,2,5")
        found += range(int(span[1]), int(span[2] or span[1]) + 1)
    return list(dict.fromkeys(found))


def cite(args: list[str]) -> int:
    """pushforward cite NAME: BibTeX of what a table, a recipe or a run uses."""
    parser = Parser("pushforward cite", description=cite.__doc__)
    parser.add_argument("name", metavar="NAME", nargs="+", help="a table, a recipe, or RUN")
    parser.add_argument(
        "--config-dir", type=Path, default=None, help="a folder of your own groups, with its papers.bib"
    )
    asked = parser.parse_args(args)
    from pushforward.paper_tables.cite import cite as entries

    own = folder(asked.config_dir)
    print("\n\n".join(dict.fromkeys(entry for name in asked.name for entry in entries(name, own))))
    return 0
