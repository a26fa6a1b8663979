"""A table in the terminal: columns that do not fit stand in a further table below, the titles of rows repeated."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from pushforward.report.table_grid import Grid, Line, Piece, grid, stacked
from pushforward.report.table_layout import Table

GAP = "  "


def rich(table: Table, width: int = 100) -> Group:
    """The table for `rich.print`, no line of it wider than `width`."""
    parts = grid(table).folded(width, lambda line: line.narrow.split("\n"))
    shown = [_part(part, width) for part in parts]
    caption = [Text(table.caption)] if table.caption else []
    notes = [Text(f" {note}", style="dim") for note in dict.fromkeys(table.notes)]
    return Group(*caption, *(line for part in shown for line in (*part, Text(""))), *notes)


def _part(part: Grid, width: int) -> list[Text]:
    stubs = [[name, *(row.titles[i] for row in part.rows)] for i, name in enumerate(part.heads)]
    heads = [line.narrow.split("\n") for line in part.columns]
    left = [max(map(cell_len, texts)) for texts in stubs]
    wide = [
        max(cell_len(text) for text in (*head, *(row[k].text for row in part.cells))) for k, head in enumerate(heads)
    ]
    for level in range(part.levels):  # a long title of a group makes room for itself
        at = 0
        for title, columns in part.spans(level):
            lacking = cell_len(title) - _over(wide[at : at + columns])
            at += columns
            wide[at - 1] += max(0, lacking)
    blank = GAP.join(" " * size for size in left)
    lines = []
    for level in range(part.levels):
        titles, rules, at = [], [], 0
        for title, columns in part.spans(level):
            room = _over(wide[at : at + columns])
            titles.append(title.center(room + len(title) - cell_len(title)))
            rules.append(("─" if title else " ") * room)
            at += columns
        lines += [Text((blank + GAP + GAP.join(texts)).rstrip()) for texts in (titles, rules)]
    *upper, last = stacked(heads)
    for named, texts in (*(([""] * len(left), texts) for texts in upper), (part.heads, last)):
        line = GAP.join([*map(_left, named, left), *map(_right, texts, wide)])
        lines.append(Text(line.rstrip(), style="bold"))
    rule = Text("─" * min(width, _over([*left, *wide])))
    lines.append(rule)
    before: Line | None = None
    for row, pieces in zip(part.rows, part.cells, strict=True):
        if row.reference and before is not None and not before.reference:
            lines.append(rule)
        lines.append(_row(row, pieces, left, wide))
        before = row
    return [_one_line(line) for line in lines]


def _row(row: Line, pieces: Sequence[Piece], left: Sequence[int], wide: Sequence[int]) -> Text:
    line = Text(GAP.join(map(_left, row.titles, left)), style="dim" if row.reference else "")
    for piece, size in zip(pieces, wide, strict=True):
        line.append(GAP + " " * (size - cell_len(piece.text)) + piece.before)
        line.append(piece.middle, style=_style(piece))
        line.append(piece.after)
    return line


def _style(piece: Piece) -> str:
    if piece.state != "value":
        return "red" if piece.state in ("failed", "diverged") else "dim"
    return "bold" if piece.best else "underline" if piece.runner_up else ""


def _over(sizes: Sequence[int]) -> int:
    """Characters that columns take side by side."""
    return sum(sizes) + len(GAP) * (len(sizes) - 1)


def _left(text: str, size: int) -> str:
    return text + " " * (size - cell_len(text))


def _right(text: str, size: int) -> str:
    return " " * (size - cell_len(text)) + text


def _one_line(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "fold"
    return line
