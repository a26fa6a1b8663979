"""A table as Markdown, HTML and CSV, and the files of all its forms."""

import csv as csv_module
import io
import unicodedata
from pathlib import Path

from pushforward.atomic_files import write_whole
from pushforward.report.spread import bootstrap, half_width
from pushforward.report.table_grid import Grid, Line, Piece, grid, heads
from pushforward.report.table_latex import latex
from pushforward.report.table_layout import Cell, Table
from pushforward.untrusted_text import html as text_of
from pushforward.untrusted_text import md


def markdown(table: Table) -> str:
    """A table of GitHub's Markdown, which has one line of headings: groups of columns stand in it above a line break."""
    of = grid(table)
    lines = [f"### {md(table.caption)}", ""] if table.caption else []
    above = [[md(title) for title in column.titles[:-1] if title] for column in of.columns]
    head = ["<br>".join([*outer, md(column.titles[-1])]) for outer, column in zip(above, of.columns, strict=True)]
    align = [":--"] * len(of.heads) + ["--:"] * len(of.columns)
    body = [[*map(md, row.titles), *map(_md, pieces)] for row, pieces in zip(of.rows, of.cells, strict=True)]
    lines += ["| " + " | ".join(line) + " |" for line in ([*map(md, of.heads), *head], align, *body)]
    # two spaces keep each note on its own line
    return "\n".join([*lines, "", *(f"{md(note)}  " for note in dict.fromkeys(table.notes))]) + "\n"


def _md(piece: Piece) -> str:
    middle = md(piece.middle)
    if piece.best:
        middle = f"**{middle}**"
    elif piece.runner_up:
        middle = f"<ins>{middle}</ins>"  # GitHub takes no <u>
    return md(piece.before) + middle + md(piece.after)


STYLE = """<style>
.pushforward-table { overflow-x: auto; font: 14px/1.45 system-ui, sans-serif;
  --line: color-mix(in srgb, currentColor 30%, transparent); --soft: color-mix(in srgb, currentColor 72%, transparent); }
.pushforward-table table { border-collapse: collapse; font-variant-numeric: tabular-nums;
  border-top: 2px solid; border-bottom: 2px solid; }
.pushforward-table caption { text-align: left; font-weight: 600; padding-bottom: .4em; }
.pushforward-table th, .pushforward-table td { padding: .2em .7em; text-align: right; white-space: nowrap; font-weight: 400; }
.pushforward-table .row { text-align: left; }
.pushforward-table thead th { vertical-align: bottom; }
.pushforward-table thead .group { text-align: center; border-bottom: 1px solid var(--line); }
.pushforward-table thead tr:last-child th { border-bottom: 1px solid; }
.pushforward-table tbody + tbody tr:first-child > * { border-top: 1px solid; }
.pushforward-table .reference, .pushforward-table .none, .pushforward-table .note { color: var(--soft); }
.pushforward-table .lost { color: color-mix(in srgb, currentColor 35%, #e0352b); }
.pushforward-table .note { margin: .3em 0; font-size: 12px; }
</style>"""


def html(table: Table) -> str:
    """A fragment of HTML that needs nothing else, readable on light and on dark pages."""
    of = grid(table)
    identity = f' id="{text_of(table.label)}"' if table.label else ""
    lines = [f'<div class="pushforward-table"{identity}>', STYLE, "<table>"]
    lines += [f"<caption>{text_of(table.caption)}</caption>"] if table.caption else []
    lines += ["<thead>", *_html_heads(of), "</thead>", "<tbody>"]
    before: Line | None = None
    for row, pieces in zip(of.rows, of.cells, strict=True):
        if row.reference and before is not None and not before.reference:
            lines.append("</tbody><tbody>")
        titles = "".join(f'<th scope="row" class="row">{text_of(title)}</th>' for title in row.titles)
        kind = ' class="reference"' if row.reference else ""
        lines.append(f"<tr{kind}>{titles}{''.join(map(_html, pieces))}</tr>")
        before = row
    lines += ["</tbody>", "</table>", *(f'<p class="note">{text_of(note)}</p>' for note in dict.fromkeys(table.notes))]
    return "\n".join([*lines, "</div>", ""])


def _html_heads(of: Grid) -> list[str]:
    lines = []
    for level in range(of.levels):
        spans = (
            f'<th colspan="{n}" scope="colgroup" class="group">{text_of(title)}</th>' if title else "<th></th>"
            for title, n in of.spans(level)
        )
        lines.append(f"<tr>{'<th></th>' * len(of.heads)}{''.join(spans)}</tr>")
    stubs = "".join(f'<th scope="col" class="row">{text_of(name)}</th>' for name in of.heads)
    own = "".join(f'<th scope="col">{text_of(column.titles[-1])}</th>' for column in of.columns)
    return [*lines, f"<tr>{stubs}{own}</tr>"]


def _html(piece: Piece) -> str:
    middle = text_of(piece.middle)
    if piece.best:
        middle = f"<b>{middle}</b>"
    elif piece.runner_up:
        middle = f"<u>{middle}</u>"
    kind = {"value": "", "failed": ' class="lost"', "diverged": ' class="lost"'}.get(piece.state, ' class="none"')
    return f"<td{kind}>{text_of(piece.before)}{middle}{text_of(piece.after)}</td>"


HEAD = (
    "metric", "unit", "better", "state", "relation", "mean", "std", "se", "low", "high", "n", "values", "best", "runner_up",
    "ranked", "cards", "marks", "note", "others", "reference",
)  # fmt: skip


def csv(table: Table) -> str:
    """One line a cell, at full precision: mean, its spread, n, the values, and all that a printed cell shows by a mark.

    low, high: the ends of the bootstrap interval, where the table shows it.
    """
    text = io.StringIO()
    writer = csv_module.writer(text, lineterminator="\n")
    writer.writerow([*heads(table), *(table.names.get(key, key) for key in table.across), *HEAD])
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if row.reference and not cell.state:
                continue
            std, se = (half_width(cell.values, kind) for kind in ("std", "se"))
            low, high = (bootstrap(cell.values) if table.spread == "bootstrap" else None) or (None, None)
            writer.writerow([
                *(row.shown or row.key), *column.at, column.title, column.unit, column.better, cell.state, cell.relation,
                cell.mean, std, se, low, high, cell.n, " ".join(map(repr, cell.values)), cell.bold, cell.runner_up,
                column.ranked, letters(cell), row.marks, cell.note, row.others, row.reference,
            ])  # fmt: skip
    return text.getvalue()


def letters(cell: Cell) -> str:
    """`a`, `b`, …: numbers of a column with the same letter were measured alike; nothing where all were."""
    return unicodedata.normalize("NFKD", cell.kind)


FORMS = {"md": markdown, "tex": latex, "csv": csv, "html": html}


def write(table: Table, folder: Path | str, name: str = "table") -> list[Path]:
    """Writes `<name>.md`, `.tex`, `.csv` and `.html` into `folder`, each whole; returns their paths."""
    made = []
    for suffix, form in FORMS.items():
        made.append(Path(folder) / f"{name}.{suffix}")
        write_whole(made[-1], form(table))
    return made
