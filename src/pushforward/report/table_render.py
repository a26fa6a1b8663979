"""A table as Markdown, LaTeX, CSV and in the terminal."""

import csv as csv_module
import io
import math
import unicodedata
from collections.abc import Callable
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from pushforward.atomic_files import write_whole
from pushforward.report.plain_tables import figure
from pushforward.report.table_layout import Cell, Column, Row, Table, key_text
from pushforward.untrusted_text import md, tex

ARROW = {"lower": "↓", "higher": "↑", None: ""}


def number(mean: float, std: float | None, digits: int | None = None) -> str:
    """`mean ± std` to two significant digits of std; `digits` of the mean, or four, where there is none."""
    if not std or std < 1e-9 * abs(mean):
        if float(mean).is_integer() and abs(mean) >= 1000:
            return f"{int(mean):,}"
        return (f"{mean:.4g}" if digits is None else figure(mean, digits)) + (" ± 0" if std is not None else "")
    power = math.floor(math.log10(max(abs(mean), std)))
    if not -3 <= power < 6:
        scale = 10.0**power
        return f"({number(mean / scale, std / scale)})e{power}"
    places = 1 - math.floor(math.log10(float(f"{std:.1e}")))
    mean, std = round(mean, places), round(std, places)
    places = max(places, 0)
    return f"{mean:.{places}f} ± {std:.{places}f}"


def content(cell: Cell, row: Row, digits: int | None = None) -> tuple[str, str, str]:
    """The text before the number, the number (or the state), and what stands after it."""
    if not cell.n or cell.mean is None:
        return "", {"missing": "–"}.get(cell.state, cell.state), ""
    after = cell.kind + (f" (n={cell.n})" if cell.n != row.n and not row.reference else "")
    return f"{cell.relation} " if cell.relation else "", number(cell.mean, cell.std, digits), after


def letters(cell: Cell) -> str:
    """`a`, `b`, …: numbers of a column with the same letter were measured alike; nothing where all were."""
    return unicodedata.normalize("NFKD", cell.kind)


def names(row: Row) -> list[str]:
    """The row's keys, its marks behind the last."""
    parts = [key_text(value) for value in row.shown or row.key]
    return [*parts[:-1], parts[-1] + row.marks]


def heads(table: Table) -> list[str]:
    """Headings of the keys."""
    return [table.names.get(key, key) for key in table.keys]


def seeds(row: Row) -> str:
    return "" if row.reference else str(row.n) + (f" ({row.others})" if row.others else "")


def heading(column: Column) -> str:
    unit = f" [{column.unit}]" if column.unit else ""
    arrow = f" {ARROW[column.better]}" if column.better in ARROW and column.better and column.ranked else ""
    return f"{column.title}{unit}{arrow}" + (f" ({column.unranked})" if column.unranked else "")


def _grid(table: Table, bold: Callable[[str], str], plain: Callable[[str], str]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text, every piece passed through `plain` or `bold`."""
    head = [plain(k) for k in heads(table)] + [plain(heading(c)) for c in table.columns] + [plain("n")]
    body = []
    for row in table.rows:
        line = [plain(name) for name in names(row)]
        for cell in row.cells:
            before, middle, after = content(cell, row, table.digits)
            line.append(plain(before) + (bold(middle) if cell.bold else plain(middle)) + plain(after))
        body.append([*line, plain(seeds(row))])
    return head, body


def _notes(table: Table) -> list[str]:
    return list(dict.fromkeys(table.notes))


def markdown(table: Table) -> str:
    head, body = _grid(table, lambda text: f"**{md(text)}**", md)
    lines = [f"### {md(table.caption)}", ""] if table.caption else []
    align = [":--"] * len(table.keys) + ["--:"] * (len(head) - len(table.keys))
    lines += ["| " + " | ".join(line) + " |" for line in (head, align, *body)]
    # two spaces keep each note on its own line
    return "\n".join([*lines, "", *(f"{md(note)}  " for note in _notes(table))]) + "\n"


LINE = 72
"""Characters of a line of LaTeX in \\small on article's 345 pt, less the space between columns: columns that do not fit into it
are set in a further tabular below."""
PAGE = 44
"""Lines of \\small on article's page beside a caption and notes: tabulars that do not fit into it go into a further float."""


def latex(table: Table) -> str:
    r"""A booktabs `table` environment; the preamble needs \usepackage{booktabs}. Wide tables are folded."""
    head, body = _grid(table, lambda text: rf"\textbf{{{tex(text)}}}", tex)
    lines = [r"\begin{table}", r"\centering", r"\small"]
    lines += [rf"\caption{{{tex(table.caption)}}}"] if table.caption else []
    lines += [rf"\label{{{table.label}}}"] if table.label else []
    parts, keys = folded(table, LINE, heading), len(table.keys)
    high = 0
    for part in parts:
        chosen = [*range(keys), *(keys + i for i in part), *([len(head) - 1] if part is parts[-1] else [])]
        kept = [i for i, row in enumerate(table.rows) if not row.reference or any(row.cells[k].state for k in part)]
        high += len(kept) + 3
        if part is not parts[0] and high > PAGE:
            lines += [r"\end{table}", r"\begin{table}", r"\centering", r"\small"]
            high = len(kept) + 3
        elif part is not parts[0]:
            lines += [r"\par\medskip"]
        lines += [rf"\begin{{tabular}}{{{'l' * keys + 'r' * (len(chosen) - keys)}}}", r"\toprule"]
        lines += [" & ".join(head[i] for i in chosen) + r" \\", r"\midrule"]
        for before, i in zip([None, *kept], kept, strict=False):
            if table.rows[i].reference and before is not None and not table.rows[before].reference:
                lines.append(r"\midrule")
            lines.append(" & ".join(body[i][k] for k in chosen) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip\raggedright\footnotesize {tex(note)}" for note in _notes(table)]
    return "\n".join(["% needs \\usepackage{booktabs}", *lines, r"\end{table}", ""])


def csv(table: Table) -> str:
    """One line a cell, at full precision: mean, std, n, the values, and all that a printed cell shows by a mark."""
    text = io.StringIO()
    writer = csv_module.writer(text, lineterminator="\n")
    head = "metric unit better state relation mean std n values best ranked cards marks note reference".split()  # noqa: SIM905
    writer.writerow([*heads(table), *head])
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if row.reference and not cell.state:
                continue
            values = " ".join(map(repr, cell.values))
            line = [
                column.title,
                column.unit,
                column.better,
                cell.state,
                cell.relation,
                cell.mean,
                cell.std,
                cell.n,
                values,
            ]
            writer.writerow(
                [
                    *(row.shown or row.key),
                    *line,
                    cell.bold,
                    column.ranked,
                    letters(cell),
                    row.marks,
                    cell.note or row.others,
                    row.reference,
                ]
            )
    return text.getvalue()


def rich(table: Table, width: int = 100) -> Group:
    """The table for `rich.print`. Columns that do not fit into `width` go into a second table below, and so on."""
    parts = folded(table, width, _broken)
    tables = [_rich(table, chosen, table.caption if chosen is parts[0] else "") for chosen in parts]
    return Group(*tables, *(Text(f" {note}", style="dim") for note in _notes(table)))


def folded(table: Table, width: int, head: Callable[[Column], str]) -> list[list[int]]:
    """Indices of the columns that stand side by side within `width` characters, beside the keys; head: of a column."""
    key_width = sum(
        2 + max(len(key), *(len(names(row)[i]) for row in table.rows)) for i, key in enumerate(heads(table))
    )
    last = 2 + max(len(seeds(row)) for row in table.rows)
    parts: list[list[int]] = [[]]
    used = free = width - key_width - 2
    for i, column in enumerate(table.columns):
        texts = [len("".join(content(row.cells[i], row, table.digits))) for row in table.rows]
        wide = 2 + max(*texts, *map(len, head(column).split("\n")))
        if parts[-1] and wide + last * (i + 1 == len(table.columns)) > used:
            parts.append([])
            used = free
        parts[-1].append(i)
        used -= wide
    return parts


def _broken(column: Column) -> str:
    """The heading on several lines: a long name breaks at its last underscore, the unit has a line of its own."""
    name, rest = column.title, heading(column).removeprefix(column.title).strip()
    if len(name) > 10 and "_" in name:
        name = "_\n".join(name.rsplit("_", 1))
    arrow = ARROW.get(column.better, "") if column.ranked else ""
    unit = rest.removesuffix(arrow).strip()
    return name + (f" {arrow}" if arrow else "") + (f"\n{unit}" if unit else "")


def _rich(table: Table, part: list[int], caption: str) -> RichTable:
    shown = RichTable(
        title=Text(caption) if caption else None,
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for key in heads(table):
        shown.add_column(Text(key), no_wrap=True)
    for i in part:
        shown.add_column(Text(_broken(table.columns[i])), justify="right", no_wrap=True)
    with_n = part[-1:] == [len(table.columns) - 1]
    if with_n:
        shown.add_column("n", justify="right", no_wrap=True)
    rows = [row for row in table.rows if not row.reference or any(row.cells[k].state for k in part)]
    for i, row in enumerate(rows):
        line = [Text(name) for name in names(row)]
        for cell in (row.cells[k] for k in part):
            before, middle, after = content(cell, row, table.digits)
            style = "bold" if cell.bold else "" if cell.n else "red" if cell.state in ("failed", "diverged") else "dim"
            line.append(Text.assemble(before, (middle, style), after))
        line += [Text(seeds(row))] * with_n
        end = i + 1 < len(rows) and rows[i + 1].reference and not row.reference
        shown.add_row(*line, style="dim" if row.reference else None, end_section=end)
    return shown


def write(table: Table, folder: Path | str, name: str = "table") -> list[Path]:
    """Writes `<name>.md`, `.tex` and `.csv` into `folder`, each whole; returns their paths."""
    made = []
    for suffix, text in {"md": markdown(table), "tex": latex(table), "csv": csv(table)}.items():
        made.append(Path(folder) / f"{name}.{suffix}")
        write_whole(made[-1], text)
    return made
