"""Figures for papers, made of run directories alone, in one style."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pushforward.errors import PushforwardError, near
from pushforward.report.paper import curves, latent, numbers, pictures
from pushforward.report.paper.rows import rows_of
from pushforward.report.paper.settings import Drawn, Settings
from pushforward.report.paper.style import FONTS, SUFFIXES, save, styled, width_of
from pushforward.report.table_layout import Row
from pushforward.runs import Run

KINDS: dict[str, Callable[[Sequence[Row], Settings], Drawn]] = {
    **pictures.KINDS,
    "curves": curves.curves,
    **numbers.KINDS,
    **latent.KINDS,
}
"""Functions that draw rows of runs, by the name of the figure."""

__all__ = ["FONTS", "KINDS", "SUFFIXES", "Settings", "draw", "width_of"]


def draw(kind: str, runs: Sequence[Run], out: Path, settings: Settings, font: str = "sans") -> list[str]:
    """Write the figure `kind` of runs to `out`, as its suffix says; returns what its caption should say.

    Raises PushforwardError where there is no such kind or suffix, and where no run has what it shows.
    """
    if kind not in KINDS:
        raise PushforwardError(f"figure {kind}: there is none; {near(kind, KINDS)}")
    if out.suffix.lower() not in SUFFIXES:
        raise PushforwardError(f"--out {out}: figures are {', '.join(SUFFIXES)}")
    with styled(font):
        made = KINDS[kind](rows_of(runs, settings.by, settings.names), settings)
        save(made.figure, out)
    return list(dict.fromkeys(made.notes))
