"""Draw bars that stay readable in a narrow terminal: what is said last gives way first."""

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

WIDE = 110
"""Columns of a terminal from which on bars are long and units are written out."""


class Speed(ProgressColumn):
    """Images a second."""

    def __init__(self, wide: bool) -> None:
        super().__init__(Column(no_wrap=True, justify="right"))
        self.unit = " images/s" if wide else "/s"

    def render(self, task: Task) -> Text:
        moving = task.speed and not task.finished and not task.fields.get("sweep")
        return Text(f"{task.speed:,.0f}{self.unit}" if moving else "", style="cyan")


def bars(share: ProgressColumn, left: ProgressColumn, console: Console | None = None) -> Progress:
    """A bar for each task: name, bar, share, speed, time left, and of its terms as many as there is room for.

    Nothing where stderr is no terminal. Each task has the field `terms`.
    """
    out = console or Console(file=sys.stderr)
    wide = out.width >= WIDE
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    return Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True)), BarColumn(bar_width=24 if wide else 6), share,
        Speed(wide), left, TextColumn("{task.fields[terms]}", style="dim", markup=False, table_column=rest),
        console=out, disable=not sys.stderr.isatty(), transient=True, refresh_per_second=4, expand=True,
    )  # fmt: skip


def terms(values: dict[str, float]) -> str:
    """`kl 25.1  loss 80.2`."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
