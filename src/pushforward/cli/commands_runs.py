"""Commands over what stands in run directories."""

import sys
from pathlib import Path

from pushforward import config
from pushforward.allowed_targets import allowed, beside
from pushforward.atomic_files import name
from pushforward.cli.commands_about import folder
from pushforward.cli.parser import Parser, add_allow_modules, pairs, signed, two, words
from pushforward.crash_report import explain
from pushforward.errors import PushforwardError
from pushforward.runs import Run, every_run, find, outputs, runs_dir

MOST_SAMPLES = 10_000
"""Samples of one picture."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def table(args: list[str]) -> int:
    """pushforward table: means over seeds from run directories, in the terminal and as md, tex, csv."""
    parser = Parser("pushforward table", description=table.__doc__)
    parser.add_argument("name", nargs="?", default="table", help="name of the files under outputs/tables")
    parser.add_argument(
        "--rows", default="model", help="config keys that make a row, such as model,data,weighting.beta"
    )
    parser.add_argument("--columns", default="", help="metrics, patterns such as fd_*, or all; default: the main ones")
    parser.add_argument("--runs", action="append", default=[], help="RUN: only these (may be repeated)")
    parser.add_argument(
        "--allow-mixed", action="store_true", help="mark numbers not measured alike, do not refuse them"
    )
    parser.add_argument("--out", type=Path, default=None, help="folder for the files")
    parser.add_argument("--pictures", action="store_true", help="also one picture: a row of samples for each row")
    parser.add_argument(
        "--plot", metavar="X,Y", help="also a picture: one metric against another, by the first of --rows"
    )
    parser.add_argument("--compare", metavar="A,B", help="also A − B of each column, 95 %% interval over seeds")
    parser.add_argument("--names", metavar="A=B,C=D", help="display names of columns and rows: fd_lenet=FD,vae=VAE")
    parser.add_argument("--digits", type=int, help="significant digits where no spread over seeds decides; default: 4")
    parser.add_argument("--caption", help="text over the table, LaTeX's caption")
    parser.add_argument("--label", help="LaTeX's label, such as tab:families")
    parser.add_argument("--sort", metavar="COLUMN", help="rows best first by a column, or by a key; -COLUMN: reversed")
    parser.add_argument("--no-references", action="store_true", help="hide floor, Gaussian, mixture, memoriser")
    asked = parser.parse_args(signed("--sort", args))
    from pushforward.report import frontier, table_render, terminal
    from pushforward.report.intervals import comparisons

    for flag in ("names", "caption", "label", "sort"):
        if getattr(asked, flag) is not None and not getattr(asked, flag).strip():
            raise PushforwardError(f"--{flag}: an empty text")
    shown = pairs("--names", asked.names) if asked.names else {}
    pair = {flag: two(flag, text) for flag, text in (("--plot", asked.plot), ("--compare", asked.compare)) if text}
    from pushforward.report.run_list import RunList

    chosen = RunList([r for spec in asked.runs for r in find(spec)] if asked.runs else every_run())
    if not chosen:
        raise PushforwardError(f"No runs in {runs_dir()}: train one, or set PUSHFORWARD_OUTPUTS to where they are.")
    rows, columns = words(asked.rows), words(asked.columns)
    sound, _ = chosen.split()
    elsewhere = frontier.texts(sound, *pair["--plot"], rows[0]) if asked.plot else set()
    elsewhere |= {str(run.key("model")) for run in sound} if asked.pictures else set()
    built = chosen.table(
        rows,
        columns,
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


def why(args: list[str]) -> int:
    """pushforward why RUN METRIC: the card of a number, and the command that trained what it was measured on."""
    parser = Parser("pushforward why", description=why.__doc__)
    parser.add_argument("run", help="RUN")
    parser.add_argument("metric", help="the name of a column")
    asked = parser.parse_args(args)
    from pushforward.report.card_text import measured_by
    from pushforward.report.card_text import why as reasons
    from pushforward.training.rerun_command import command

    for run in map(Run.readable, find(asked.run)):
        print("\n".join(reasons(run, asked.metric)))
        print(f"  {command(run)}\nmeasured by\n  {measured_by(run, asked.metric)}")
    return 0


def status(args: list[str]) -> int:
    """pushforward status: every sweep and every run and how it stands."""
    parser = Parser("pushforward status", description=status.__doc__)
    parser.add_argument(
        "run", nargs="*", help="RUN, or a sweep: only these; a filter may ask for a state: state=failed"
    )
    parser.add_argument("--all", action="store_true", help="all of them, not only the last ones that fit the terminal")
    parser.add_argument("--watch", action="store_true", help="look again every 2 s, until Ctrl-C")
    asked = parser.parse_args(args)
    from pushforward.report.status import show
    from pushforward.runs import chosen, every_study

    show(lambda: chosen(asked.run), asked.all, asked.watch, studies=tuple if asked.run else every_study)
    return 0


def sync(args: list[str]) -> int:
    """pushforward sync [RUN...]: sends what was logged offline to Weights & Biases, of these runs or sweeps, or of all."""
    parser = Parser("pushforward sync", description=sync.__doc__)
    parser.add_argument("run", nargs="*", help="RUN, or a sweep and with it its runs; default: all")
    asked = parser.parse_args(args)
    from pushforward.sweep.wandb_sync import sync as send

    return send(asked.run)


def show(args: list[str]) -> int:
    """pushforward show model NAME | run RUN: equation, parts, parameters; or a run's numbers."""
    parser = Parser("pushforward show", description=show.__doc__)
    parser.add_argument("kind", choices=["model", "run"])
    parser.add_argument("what", nargs="?", help="the model's name, or RUN; default: the latest run")
    parser.add_argument("overrides", nargs="*", help="data=…, network=… for a model")
    parser.add_argument("--config-dir", type=Path, default=None, help="a folder of your own groups, for a model")
    add_allow_modules(parser)
    asked = parser.parse_intermixed_args(args)
    if asked.kind == "run":
        from pushforward.report import terminal

        found = find(asked.what or "latest")
        for run in found:
            terminal.show_run(run)
        return int(any(run.damage() for run in found))
    from pushforward.config import options
    from pushforward.training.model_summary import show_model

    if asked.what is None:
        raise PushforwardError(f"show model: name one of {', '.join(options('model'))}")
    own = folder(asked.config_dir)
    with allowed([*beside(own), *words(asked.allow_modules)]):
        print(show_model(asked.what, asked.overrides, own))
    return 0


def sample(args: list[str]) -> int:
    """pushforward sample RUN: samples of a trained run as a picture: images in a grid, points in the plane."""
    parser = Parser("pushforward sample", description=sample.__doc__)
    parser.add_argument("run", help="RUN")
    parser.add_argument("--n", type=int, default=64, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--label", type=int, help="of a conditional model: the class of all, counted from 0")
    parser.add_argument("--out", type=Path, default=Path("samples.png"))
    add_allow_modules(parser)
    asked = parser.parse_args(args)
    if asked.out.suffix.lower() not in PICTURES:
        raise PushforwardError(
            f"--out {asked.out}: pictures are {', '.join(PICTURES)}; for numbers, pf.load(RUN).sample(n)"
        )
    if not 1 <= asked.n <= MOST_SAMPLES:
        raise PushforwardError(
            f"--n {asked.n}: a picture has 1 to {MOST_SAMPLES:,} samples; more, as numbers, by pf.load(RUN).sample(n)"
        )
    found = find(asked.run)
    if len(found) > 1:
        raise PushforwardError(
            f"'{asked.run}' means {len(found)} runs; name one: {', '.join(r.id for r in found[:4])} …"
        )
    from pushforward.report.figures import samples
    from pushforward.training.load_run import load

    with allowed(words(asked.allow_modules)):
        drawn = load(found[0]).sample(asked.n, asked.seed, asked.label)
        samples({"x": drawn.numpy()}, asked.out, asked.n)
    print(asked.out)
    return 0
