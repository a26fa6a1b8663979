"""Commands that compare runs: the table, and the records that it can be made from elsewhere."""

import sys
from collections.abc import Sequence
from pathlib import Path

from pushforward import config
from pushforward.atomic_files import name
from pushforward.cli.parser import Parser, pairs, signed, two, words
from pushforward.crash_report import explain
from pushforward.errors import PushforwardError
from pushforward.machine import uncollected
from pushforward.report.budget_match import TOLERANCES
from pushforward.report.spread import KINDS
from pushforward.runs import Run, among, by_weights, every_run, find, outputs, pack, runs_dir, unpack
from pushforward.runs.packed import SUFFIX


@uncollected()
def table(args: list[str]) -> int:
    """pushforward table: means over seeds from run directories, in the terminal and as md, tex, csv, html."""
    parser = Parser("pushforward table", description=table.__doc__)
    parser.add_argument("name", nargs="?", default="table", help="name of the files under outputs/tables")
    parser.add_argument(
        "--rows",
        default="model",
        help="config keys that make a row, such as model,data,weighting.beta, weights",
    )
    parser.add_argument("--columns", default="", help="metrics, patterns such as fd_*, or all; default: the main ones")
    parser.add_argument("--across", default="", help="config keys whose values make groups of columns, such as data")
    parser.add_argument("--transpose", action="store_true", help="metrics as rows, models as columns")
    parser.add_argument(
        "--spread", choices=KINDS, default="std", help="behind a mean: deviation, error, or 95 %% interval"
    )
    parser.add_argument("--match", choices=TOLERANCES, help="only rows at an equal budget")
    parser.add_argument("--tolerance", type=float, help="of --match; default: 0.01 of images, else 0.1")
    parser.add_argument("--average-rank", action="store_true", help="also the mean place over the columns")
    parser.add_argument("--strict", action="store_true", help="fail where a cell has no number and no n/a")
    parser.add_argument("--runs", action="append", default=[], help="RUN: only these (may be repeated)")
    parser.add_argument(
        "--records", action="append", type=Path, default=[], metavar="FILE", help="packed records instead of runs/"
    )
    parser.add_argument(
        "--allow-mixed", action="store_true", help="mark numbers not measured alike, do not refuse them"
    )
    parser.add_argument("--out", type=Path, default=None, help="folder for the files")
    parser.add_argument("--pictures", action="store_true", help="also one picture: a row of samples for each row")
    parser.add_argument(
        "--plot", metavar="X,Y", help="also a picture: one metric against another, by the first of --rows"
    )
    parser.add_argument(
        "--compare", metavar="A,B", help="also A − B of each column: 95 %% interval, in pairs where seeds are shared"
    )
    parser.add_argument("--names", metavar="A=B,C=D", help="display names of columns and rows: fd_lenet=FD,vae=VAE")
    parser.add_argument("--digits", type=int, help="significant digits where no spread over seeds decides; default: 4")
    parser.add_argument("--caption", help="text over the table, LaTeX's caption")
    parser.add_argument("--label", help="LaTeX's label, such as tab:families")
    parser.add_argument("--sort", metavar="COLUMN", help="rows best first by a column, or by a key; -COLUMN: reversed")
    parser.add_argument("--no-references", action="store_true", help="hide floor, Gaussian, mixture, memoriser")
    asked = parser.parse_args(signed("--sort", args))
    from pushforward.report import frontier, table_render, terminal
    from pushforward.report.intervals import comparisons
    from pushforward.report.table_form import complete

    if asked.pictures and asked.records:
        raise PushforwardError("--pictures: packed records have none; give the runs' own folder")
    if asked.tolerance is not None and not asked.match:
        raise PushforwardError("--tolerance: it is of --match; give that too")
    for flag in ("names", "caption", "label", "sort"):
        if getattr(asked, flag) is not None and not getattr(asked, flag).strip():
            raise PushforwardError(f"--{flag}: an empty text")
    shown = pairs("--names", asked.names) if asked.names else {}
    pair = {flag: two(flag, text) for flag, text in (("--plot", asked.plot), ("--compare", asked.compare)) if text}
    from pushforward.report.run_list import RunList

    chosen = RunList(runs_of(asked.runs, asked.records))
    rows, columns = words(asked.rows), words(asked.columns)
    sound: list[Run] = chosen.split()[0]
    if rows[:1] == ("weights",):
        sound = by_weights(sound)
    elsewhere = frontier.texts(sound, *pair["--plot"], rows[0]) if asked.plot else set()
    elsewhere |= {str(run.key("model")) for run in sound} if asked.pictures else set()
    built = chosen.table(
        rows,
        columns,
        across=words(asked.across),
        transpose=asked.transpose,
        spread=asked.spread,
        match=asked.match or "",
        tolerance=asked.tolerance,
        average_rank=asked.average_rank,
        stale=config.stale,
        allow_mixed=asked.allow_mixed,
        names=shown,
        digits=asked.digits,
        caption=asked.caption or "",
        label=asked.label or "",
        sort=asked.sort or "",
        references=not asked.no_references,
        elsewhere=elsewhere,
    )
    if asked.strict:
        complete(built)
    if asked.compare:
        built.notes += comparisons(built, sound, *pair["--compare"])
    folder = asked.out or outputs() / "tables"
    name(asked.name, "NAME")
    drawn = []
    if asked.plot:  # first, so that what it refuses stands alone
        x, y = pair["--plot"]
        drawn.append(frontier.draw(sound, x, y, rows[0], folder / f"{asked.name}-{x}-{y}.png", shown))
    terminal.show_table(built)
    try:
        written = [*table_render.write(built, folder, asked.name), *drawn]
    except OSError as error:  # reading takes no right to write
        print(f"the table's files are not written: {explain(error)}, or name a folder by --out", file=sys.stderr)
        return 0
    if asked.pictures:
        from pushforward.report.figures import comparison

        written.append(comparison(sound, folder / f"{asked.name}.png", names=shown))
    print("\n".join(str(path) for path in written))
    return 0


def runs_of(specs: Sequence[str], records: Sequence[Path]) -> list[Run]:
    """The runs that `specs` mean, each once, all without any; of the files of packed records, where there are some.

    Raises PushforwardError where there are none, or two files differ in a run.
    """
    if not records:
        chosen = [run for spec in specs for run in find(spec)] if specs else every_run()
        if not chosen:
            raise PushforwardError(f"No runs in {runs_dir()}: train one, or set PUSHFORWARD_OUTPUTS to where they are.")
        return list({(run.path, run.weights): run for run in chosen}.values())
    known: dict[str, Run] = {}
    for run in (run for file in records for run in unpack(file)):
        if known.setdefault(run.id, run).record != run.record:
            raise PushforwardError(f"--records: two files have the run {run.id}, with other numbers; give one of them")
    where = ", ".join(map(str, records))
    if not known:
        raise PushforwardError(f"{where}: no runs in it")
    chosen = [run for spec in specs for run in among(list(known.values()), spec, where)] if specs else [*known.values()]
    return list({(run.id, run.weights): run for run in chosen}.values())


def records(args: list[str]) -> int:
    """pushforward records pack NAME: the records and configs of runs as one small file, which `table --records` reads."""
    parser = Parser("pushforward records", description=records.__doc__)
    parser.add_argument("what", choices=["pack"])
    parser.add_argument("name", help=f"the file is outputs/records/NAME{SUFFIX}")
    parser.add_argument(
        "--runs", action="append", default=[],
        help="RUN: only these (may be repeated); default: those of the paper table NAME, else all",
    )  # fmt: skip
    parser.add_argument("--config-dir", type=Path, default=None, help="a folder of your own groups, tables among them")
    parser.add_argument("--out", type=Path, default=None, help="folder for the file")
    asked = parser.parse_args(args)
    file = (asked.out or outputs() / "records") / f"{name(asked.name, 'NAME')}{SUFFIX}"
    from pushforward.cli.commands_about import folder
    from pushforward.paper_tables.reproduce import packable

    found = ([] if asked.runs else packable(asked.name, folder(asked.config_dir))) or runs_of(asked.runs, [])
    pack(found, file)
    print(f"{file}: {len(found)} runs, {file.stat().st_size:,} bytes")
    return 0
