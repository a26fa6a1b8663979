"""Tables without frames: folded to the width of a terminal; in a pipe or a file a line a row, never folded."""

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from pushforward.untrusted_text import line as on_one_line

WHOLE = ("run", "sweep", "study", "state", "seen", "images seen", "images/s", "left", "jobs", "updated")
"""Columns that keep their width in a narrow terminal: the others are shortened."""
RIGHT = ("images/s",)
"""Columns that are set to the right."""


def plain(*names: str) -> Table:
    """An empty table with these columns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(
            Text(name, no_wrap=True, overflow="ellipsis"),
            overflow="ellipsis",
            justify="right" if name in RIGHT else "left",
            no_wrap=name in WHOLE,
        )
    return table


def add(table: Table, *cells: RenderableType) -> None:
    """Adds a row; text is shown as it is, on one line, whatever rich or a terminal would make of it."""
    shown = (Text(on_one_line(cell)) if isinstance(cell, str) else cell for cell in cells)
    for cell in (row := list(shown)):
        if isinstance(cell, Text):
            cell.no_wrap, cell.overflow = True, "ellipsis"
    table.add_row(*row)


def say(out: Console, *parts: RenderableType) -> None:
    """Prints tables and text."""
    for part in parts:
        if out.is_terminal:
            out.print(part)
        else:
            print(*(lines(part) if isinstance(part, Table) else [part]), sep="\n")


def lines(table: Table) -> list[str]:
    """A line a row, the columns below each other. A thousand rows in no time, where rich takes a second."""
    columns = [aligned(column) for column in table.columns]
    return ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]


def aligned(column: Column) -> list[str]:
    """A column's cells at one width."""
    cells = [str(column.header), *map(text, column.cells)]
    width = max(map(cell_len, cells))
    spaces = [" " * (width - cell_len(cell)) for cell in cells]
    right = column.justify == "right"
    return [space + cell if right else cell + space for cell, space in zip(cells, spaces, strict=True)]


def text(cell: RenderableType) -> str:
    """A cell without its style; a bar as long as it is."""
    if isinstance(cell, ProgressBar):
        return "━" * round((cell.width or 0) * min(1.0, cell.completed / (cell.total or 1)))
    return cell.plain if isinstance(cell, Text) else str(cell)


def figure(value: float, digits: int) -> str:
    """The number to so many digits; in full, with commas, where more stand before its point: 374,400 and not 3.744e+05."""
    return f"{value:,.0f}" if 10**digits <= abs(value) < 1e12 else f"{value:.{digits}g}"
