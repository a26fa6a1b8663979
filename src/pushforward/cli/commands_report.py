"""The command that writes one page over runs."""

from pathlib import Path

from pushforward import config
from pushforward.cli.parser import Parser, words
from pushforward.crash_report import explain
from pushforward.errors import PushforwardError
from pushforward.runs import every_run, find, outputs, runs_dir

SUFFIXES = (".html", ".htm")


def report(args: list[str]) -> int:
    """pushforward report [RUN...]: one HTML file to look at and to send: table, pictures, curves, latent spaces."""
    parser = Parser("pushforward report", description=report.__doc__)
    parser.add_argument("run", nargs="*", help="RUN, such as model=vae,data=mnist; default: all runs")
    parser.add_argument("--out", type=Path, default=None, help="the file; default: outputs/report.html")
    parser.add_argument("--title", default="pushforward", help="the page's heading")
    parser.add_argument(
        "--rows", default="", help="config keys that make a row; default: model, and data where they vary"
    )
    parser.add_argument("--columns", default="", help="metrics, patterns such as fd_*, or all; default: the main ones")
    asked = parser.parse_args(args)
    out = asked.out or outputs() / "report.html"
    if out.suffix.lower() not in SUFFIXES:
        raise PushforwardError(f"--out {out}: name a file that ends in .html")
    if not asked.title.strip():
        raise PushforwardError("--title: an empty text")
    from pushforward.report import page
    from pushforward.report.run_list import RunList

    found = [run for spec in asked.run for run in find(spec)] if asked.run else every_run()
    if not found:
        raise PushforwardError(f"No runs in {runs_dir()}: train one, or set PUSHFORWARD_OUTPUTS to where they are.")
    chosen = RunList({run.path: run for run in found}.values())
    sound, damaged = chosen.split()
    rows = words(asked.rows) or page.keys(sound)
    table = chosen.table(rows, words(asked.columns), stale=config.stale, allow_mixed=True)
    try:
        page.write(sound, table, out, asked.title)
    except OSError as error:
        raise PushforwardError(f"--out {out}: the report is not written: {explain(error)}") from None
    print(
        f"{out}: {len(sound)} runs, {out.stat().st_size / 1e6:.1f} MB" + f"; {len(damaged)} unreadable" * bool(damaged)
    )
    return 0
