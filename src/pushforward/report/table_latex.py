r"""A table in LaTeX, with booktabs, as it can be \input."""

from pushforward.report.table_grid import Grid, Line, Piece, grid, stacked
from pushforward.report.table_layout import Table
from pushforward.untrusted_text import tex

LINE = 72
"""Characters of a line of LaTeX in \\small on article's 345 pt, less the space between columns: columns that do not fit into it
are set in a further tabular below."""
PAGE = 44
"""Lines of \\small on article's page beside a caption and notes: tabulars that do not fit into it go into a further float."""
BEGIN = [r"\begin{table}", r"\centering", r"\small"]


def latex(table: Table) -> str:
    r"""A booktabs `table` environment; the preamble needs \usepackage{booktabs}. Wide tables are folded."""
    lines = list(BEGIN)
    lines += [rf"\caption{{{tex(table.caption)}}}"] if table.caption else []
    lines += [rf"\label{{{table.label}}}"] if table.label else []
    high = 0
    for i, part in enumerate(grid(table).folded(LINE, _head)):
        needed = len(part.rows) + 3 + part.levels + max(len(_head(column)) for column in part.columns) - 1
        high += needed
        if i and high > PAGE:
            lines += [r"\end{table}", *BEGIN]
            high = needed
        elif i:
            lines.append(r"\par\medskip")
        lines += tabular(part)
    lines += [rf"\par\smallskip\raggedright\footnotesize {tex(note)}" for note in dict.fromkeys(table.notes)]
    return "\n".join(["% needs \\usepackage{booktabs}", *lines, r"\end{table}", ""])


def tabular(part: Grid) -> list[str]:
    """The lines of one tabular."""
    stubs = len(part.heads)
    lines = [rf"\begin{{tabular}}{{{'l' * stubs + 'r' * len(part.columns)}}}", r"\toprule"]
    for level in range(part.levels):
        cells, rules, at = [""] * stubs, [], stubs + 1
        for title, columns in part.spans(level):
            cells.append(rf"\multicolumn{{{columns}}}{{c}}{{{tex(title)}}}" if title else "")
            rules += [rf"\cmidrule(lr){{{at}-{at + columns - 1}}}"] if title else []
            at += columns
        lines += [" & ".join(cells) + r" \\", "".join(rules)]
    *upper, last = stacked([_head(column) for column in part.columns])
    lines += [_row([*[""] * stubs, *texts]) for texts in upper]
    lines += [_row([*part.heads, *last]), r"\midrule"]
    before: Line | None = None
    for row, pieces in zip(part.rows, part.cells, strict=True):
        if row.reference and before is not None and not before.reference:
            lines.append(r"\midrule")
        lines.append(" & ".join([*map(tex, row.titles), *map(_piece, pieces)]) + r" \\")
        before = row
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _head(column: Line) -> list[str]:
    """A column's own title, its unit on a line of its own."""
    return column.narrow.replace("_\n", "_").split("\n")


def _row(texts: list[str]) -> str:
    return " & ".join(map(tex, texts)) + r" \\"


def _piece(piece: Piece) -> str:
    middle = tex(piece.middle)
    if piece.best:
        middle = rf"\textbf{{{middle}}}"
    elif piece.runner_up:
        middle = rf"\underline{{{middle}}}"
    return tex(piece.before) + middle + tex(piece.after)
