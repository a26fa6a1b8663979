"""The command that draws figures for papers."""

import inspect
from pathlib import Path

from pushforward.cli.commands_table import runs_of
from pushforward.cli.parser import Parser, pairs, words
from pushforward.crash_report import explain
from pushforward.errors import PushforwardError


def figure(args: list[str]) -> int:
    """pushforward figure KIND --runs FILTER --out f.pdf: a figure for a paper, of run directories alone: pdf, svg, png."""
    from pushforward.report import paper
    from pushforward.report.run_list import RunList

    kinds = "; ".join(f"{name}: {(inspect.getdoc(draw) or '').splitlines()[0]}" for name, draw in paper.KINDS.items())
    parser = Parser("pushforward figure", description=figure.__doc__, epilog=kinds)
    parser.add_argument("kind", metavar="KIND", choices=paper.KINDS, help=", ".join(paper.KINDS))
    parser.add_argument("--runs", action="append", default=[], help="RUN: only these (may be repeated); default: all")
    parser.add_argument("--out", type=Path, default=None, help="the file, .pdf, .svg or .png; default: KIND.pdf")
    parser.add_argument("--rows", default="model", help="config keys that part runs into rows or points, as of table")
    parser.add_argument("--columns", default="", help="numbers, or terms of curves; of frontier and cost two: X,Y")
    parser.add_argument("--names", metavar="A=B,C=D", help="display names of rows and numbers: vae=VAE,fd_lenet=FD")
    parser.add_argument("--width", default="one", help="one or two columns of a page (3.25, 6.75 inches), or inches")
    parser.add_argument("--font", choices=paper.FONTS, default="sans", help="serif looks like Times")
    parser.add_argument("--images", type=int, default=10, help="images in a row")
    parser.add_argument("--lines", type=int, default=0, help="rows of images for each model")
    parser.add_argument("--split", choices=["val", "train", "both"], default="val", help="of curves")
    parser.add_argument("--log", choices=["x", "y", "xy"], default="", help="axes on a scale of powers")
    asked = parser.parse_args(args)
    out = asked.out or Path(f"{asked.kind}.pdf")
    for flag, value, least in (("images", asked.images, 1), ("lines", asked.lines, 0)):
        if not least <= value <= 100:
            raise PushforwardError(f"--{flag} {value}: give {least} to 100")
    if not words(asked.rows):
        raise PushforwardError("--rows: an empty text; give model, or other config keys")
    settings = paper.Settings(
        width=paper.width_of(asked.width), images=asked.images, lines=asked.lines, columns=words(asked.columns),
        by=words(asked.rows), names=pairs("--names", asked.names) if asked.names else {}, split=asked.split, log=asked.log,
    )  # fmt: skip
    if out.suffix.lower() not in paper.SUFFIXES:
        raise PushforwardError(f"--out {out}: figures are {', '.join(paper.SUFFIXES)}")
    sound, damaged = RunList(runs_of(asked.runs, [])).split()
    if damaged and not sound:
        raise PushforwardError(damaged[0])
    try:
        notes = paper.draw(asked.kind, sound, out, settings, asked.font)
    except OSError as error:
        raise PushforwardError(f"--out {out}: the figure is not written: {explain(error)}") from None
    print("\n".join([str(out), *(f"  {note}" for note in [*notes, *damaged])]))
    return 0
