"""The list of tables of papers, as their files have them."""

from pathlib import Path

from pushforward.paper_tables.paper_table import PaperTable
from pushforward.paper_tables.planned import Preset, jobs
from pushforward.paper_tables.table_file import files, read
from pushforward.report.eta import duration
from pushforward.untrusted_text import md
from site_pages.recipes import cited
from site_pages.text import code, page, table
from write_docs_tables import DOCS


def pages() -> dict[str, str]:
    """{path: text} of the page."""
    tables = {name: read(path) for name, path in files(None).items()}
    rows = [[f"[{md(name)}](#{name})", md(one.header.sentence)] for name, one in tables.items()]
    return {
        "tables/index.md": page(
            "# Tables of papers",
            "Tables that `pushforward reproduce NAME preset=…` regenerates and prints beside what was published. "
            "[Tables](../tables.md) says how they are read, and how to write your own.",
            table(["table", ""], rows),
            *(part(name, one) for name, one in tables.items()),
        )
    }


def part(name: str, of: PaperTable) -> str:
    said, printed = of.header, DOCS / "tables" / f"{name}.md"
    presets = []
    for which, budget in of.budgets.items():
        count = len({job.overrides for job in jobs(Preset(of, which, budget, budget.seeds))})
        full = "the published budget" if budget.full else "smaller than published"
        presets.append([f"`{which}`", str(count), duration(60 * budget.minutes), str(len(budget.seeds)), full])
    differences = [f"- {md(text)}" for text in of.differences]
    columns = dict.fromkeys(column.name or key for key, column in of.columns.items())
    return page(
        f"## {name}",
        f"**{md(said.sentence)}** " + " ".join(cited(line) for line in said.source),
        f"Rows: {', '.join(md(of.title(row)) for row in of.rows)}. Columns: {', '.join(map(md, columns))}.",
        table(["preset", "runs", "about", "seeds", ""], presets, "lrrrl"),
        code("\n".join(said.commands), "console"),
        "Differences from the paper:\n\n" + "\n".join(differences) if differences else "",
        f"Printed: [{name}]({name}.md)." if Path(printed).is_file() else "",
    ).rstrip()
