"""The commands. Imports no torch: what a command needs is imported when it runs."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from pushforward.errors import PushforwardError
from pushforward.runs import RunList, every_run, find, outputs, runs_dir, source_fingerprint

USAGE = """pushforward: every family of generative models on one bench

  pushforward train model=vae data=mnist weighting.beta=4     one run
  pushforward train -m model=ae,vae,gan seed=1..3             a grid; finished runs are skipped, stopped ones go on
  pushforward train -m … --plan                               what it would do: done, to run, about how long
  pushforward evaluate RUN...                                 measures again, from a run directory
  pushforward table --rows model --columns fd_lenet,bpd       a table over runs: md, tex, csv
  pushforward why RUN METRIC                                  how a number came about, and the command that made it
  pushforward status                                          every sweep and run and how it stands; --watch
  pushforward sync                                            sends what was logged offline to Weights & Biases
  pushforward show model vae | run RUN                        equation and parts, or numbers
  pushforward sample RUN --n 64 --out grid.png                samples of a trained run
  pushforward tour                                            the subject in eight plots, drawn here and now on digits
  pushforward bench                                           how fast training is beside a loop written by hand
  pushforward list models|data|networks|…                     what there is, one line each
  pushforward doctor                                          what this machine has, and what is missing

RUN is a folder, an id or its beginning, latest, or a filter such as model=vae,data=mnist.
Each command has --help."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script: runs a command and exits with its code; a person's error is one line and code 2."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough: `pushforward status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(args: list[str]) -> int:
    """The exit code of a command line."""
    name = args[0] if args else ""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a person's own modules beside their --config-dir, as `python -m` has them
    try:
        if name in ("", "-h", "--help", "help"):
            return usage(0 if name else 2)
        if name == "--version":
            return print_version()
        return COMMANDS[name](args[1:]) if name in COMMANDS else unknown(name)
    except PushforwardError as error:
        if os.environ.get("PUSHFORWARD_FULL_ERROR"):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except SystemExit as done:  # argparse, after --help
        return done.code if isinstance(done.code, int) else int(done.code is not None)


def usage(code: int) -> int:
    print(USAGE)
    return code


def print_version() -> int:
    from importlib.metadata import version

    print(version("pushforward"))
    return 0


def unknown(name: str) -> int:
    import difflib

    close = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(COMMANDS)}"
    raise PushforwardError(f"pushforward {name}: there is no such command; {hint}")


class Parser(argparse.ArgumentParser):
    """Says what is wrong on one line."""

    def error(self, message: str) -> NoReturn:
        raise PushforwardError(f"{self.prog}: {message}; see {self.prog} --help")


# train ---------------------------------------------------------------------------------------------------------------


def expand(argument: str) -> str:
    """`seed=0..4` as Hydra's `seed=0,1,2,3,4`; anything else as it is."""
    found = re.fullmatch(r"([\w.@/+]+)=(-?\d+)\.\.(-?\d+)", argument)
    if not found:
        return argument
    key, first, last = found.group(1), int(found.group(2)), int(found.group(3))
    if last < first:
        raise PushforwardError(f"{argument}: a range a..b runs upwards; write {key}={last}..{first}")
    return f"{key}={','.join(map(str, range(first, last + 1)))}"


def train(args: list[str]) -> int:
    """pushforward train: one run, or with -m a grid of them, by Hydra's own command line; --plan: what it would do."""
    if "--plan" in args:
        from pushforward.sweep.plan import plan

        return plan([expand(a) for a in args if a != "--plan"])
    from pushforward.launch import hydra_train

    return hydra_train([expand(a) for a in args])


# What stands in run directories ------------------------------------------------------------------------------------


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
    asked = parser.parse_args(args)
    from pushforward.report import frontier, render, terminal
    from pushforward.report.comparison import comparisons

    pair = {flag: two(flag, text) for flag, text in (("--plot", asked.plot), ("--compare", asked.compare)) if text}
    chosen = RunList(r for spec in asked.runs for r in find(spec)) if asked.runs else every_run()
    if not chosen:
        raise PushforwardError(f"No runs in {runs_dir()}: train one, or set PUSHFORWARD_OUTPUTS to where they are.")
    rows, columns = words(asked.rows), words(asked.columns)
    built = chosen.table(rows, columns, fingerprint=source_fingerprint(), allow_mixed=asked.allow_mixed)
    if asked.compare:
        built.notes += comparisons(built, chosen, *pair["--compare"])
    terminal.show_table(built)
    folder = asked.out or outputs() / "tables"
    written = render.write(built, folder, asked.name)
    if asked.plot:
        x, y = pair["--plot"]
        written.append(frontier.draw(chosen, x, y, rows[0], folder / f"{asked.name}-{x}-{y}.png"))
    if asked.pictures:
        from pushforward.report.figures import comparison

        written.append(comparison(chosen, folder / f"{asked.name}.png"))
    print("\n".join(str(path) for path in written))
    return 0


def two(flag: str, text: str) -> tuple[str, str]:
    parts = words(text)
    if len(parts) != 2:
        raise PushforwardError(f"{flag} {text}: give two with a comma between, such as {flag} A,B")
    return parts[0], parts[1]


def why(args: list[str]) -> int:
    """pushforward why RUN METRIC: the card of a number, and the command that trained what it was measured on."""
    parser = Parser("pushforward why", description=why.__doc__)
    parser.add_argument("run", help="RUN")
    parser.add_argument("metric", help="the name of a column")
    asked = parser.parse_args(args)
    from pushforward.report.why import why as reasons
    from pushforward.training.command import command

    for run in find(asked.run):
        print("\n".join(reasons(run, asked.metric)))
        print(f"  {command(run)}\nmeasured again by\n  pushforward evaluate {run.id}")
    return 0


def words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


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
    from pushforward.sweep.sync import sync as send

    return send(asked.run)


def show(args: list[str]) -> int:
    """pushforward show model NAME | run RUN: equation, parts, parameters; or a run's numbers."""
    parser = Parser("pushforward show", description=show.__doc__)
    parser.add_argument("kind", choices=["model", "run"])
    parser.add_argument("what", nargs="?", default="latest", help="the model's name, or RUN")
    parser.add_argument("overrides", nargs="*", help="data=…, network=… for a model")
    asked = parser.parse_args(args)
    if asked.kind == "run":
        from pushforward.report import terminal

        for run in find(asked.what):
            terminal.show_run(run)
        return 0
    from pushforward.training.show import show_model

    print(show_model(asked.what, asked.overrides))
    return 0


def evaluate(args: list[str]) -> int:
    """pushforward evaluate RUN...: measures trained runs again, without training."""
    parser = Parser("pushforward evaluate", description=evaluate.__doc__)
    parser.add_argument("run", nargs="+", help="RUN, and metrics=… or metrics.…=… to measure otherwise")
    asked = parser.parse_args(args)
    overrides = [word for word in asked.run if re.match(r"[+~]*(metrics|features|measure|density)(=|\.|@)", word)]
    from pushforward.training.again import evaluate_again

    for spec in (word for word in asked.run if word not in overrides):
        for run in find(spec):
            print(evaluate_again(run, overrides))
    return 0


def sample(args: list[str]) -> int:
    """pushforward sample RUN: samples of a trained run as a picture."""
    parser = Parser("pushforward sample", description=sample.__doc__)
    parser.add_argument("run", help="RUN")
    parser.add_argument("--n", type=int, default=64, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("samples.png"))
    asked = parser.parse_args(args)
    if asked.n < 1:
        raise PushforwardError(f"--n {asked.n}: it must be at least 1")
    found = find(asked.run)
    if len(found) > 1:
        raise PushforwardError(
            f"'{asked.run}' means {len(found)} runs; name one: {', '.join(r.id for r in found[:4])} …"
        )
    from pushforward.report.images import grid, save
    from pushforward.training.again import load

    save(grid(load(found[0]).sample(asked.n, seed=asked.seed).numpy(), asked.n), asked.out)
    print(asked.out)
    return 0


# What there is -------------------------------------------------------------------------------------------------------

LISTS = {"models": "model", "data": "data", "networks": "network", "metrics": "metrics"}


def list_(args: list[str]) -> int:
    """pushforward list WHAT: the options of a config group, one line each."""
    from pushforward.config import conf_dir

    groups = sorted(p.name for p in conf_dir().iterdir() if p.is_dir() and any(p.glob("*.yaml")))
    names = {**LISTS, **{g: g for g in groups}}
    parser = Parser("pushforward list", description=list_.__doc__)
    parser.add_argument("what", choices=sorted(names), metavar="WHAT", help=", ".join(sorted(names)))
    group = names[parser.parse_args(args).what]
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        comments = [line.lstrip("# ").strip() for line in path.read_text().splitlines() if line.startswith("#")]
        comments = [line for line in comments if not line.startswith("@package")]
        first = (comments or [""])[0].removeprefix(f"{path.stem}:").strip()
        print(f"{path.stem:<22} {first}")
    return 0


def tour(args: list[str]) -> int:
    """pushforward tour: the subject in eight plots, from entropy to diffusion, on digits, in under a minute."""
    parser = Parser("pushforward tour", description=tour.__doc__)
    parser.add_argument("--out", type=Path, default=None, help="folder for the plots, their arrays and index.html")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is trained and drawn")
    asked = parser.parse_args(args)
    from pushforward.training.tour import tour as draw

    draw(asked.out or outputs() / "tour", asked.seed)
    return 0


def doctor(args: list[str]) -> int:
    """pushforward doctor: what this machine has and what is missing, with the remedy."""
    Parser("pushforward doctor", description=doctor.__doc__).parse_args(args)
    from pushforward.doctor import examine

    lines, healthy = examine()
    print("\n".join(lines))
    return 0 if healthy else 1


def bench(args: list[str]) -> int:
    """pushforward bench: training beside a loop written by hand and beside Lightning as usually written, in rounds."""
    parser = Parser("pushforward bench", description=bench.__doc__)
    parser.add_argument("--cases", default="", metavar="A,B", help="only these; default: all whose data are here")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts")
    parser.add_argument("--seconds", type=float, default=0.8, help="of a round, prolonged to whole epochs")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="of each contestant")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--metrics", action="store_true", help="also how long the metrics at the end of a run take")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also everything that was measured, for a file")
    parser.add_argument("--list", action="store_true", help="the cases and the rows")
    parser.add_argument("--start", action="store_true", help="instead: where the seconds of a cold start go")
    parser.add_argument("--growth", action="store_true", help="instead: cost against batch, size, runs and samples")
    asked = parser.parse_args(args)
    from pushforward.bench.command import run as measure

    return measure(asked)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "evaluate": evaluate,
    "table": table,
    "why": why,
    "status": status,
    "sync": sync,
    "show": show,
    "sample": sample,
    "tour": tour,
    "bench": bench,
    "list": list_,
    "doctor": doctor,
}


if __name__ == "__main__":
    main()
