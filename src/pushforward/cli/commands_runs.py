"""Commands over what stands in run directories."""

from pathlib import Path

from pushforward.allowed_targets import allowed, beside
from pushforward.cli.commands_about import folder
from pushforward.cli.parser import Parser, add_allow_modules, words
from pushforward.errors import PushforwardError
from pushforward.runs import Run, find

MOST_SAMPLES = 10_000
"""Samples of one picture."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp")


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


def export(args: list[str]) -> int:
    """pushforward export RUN DIR: a finished run as a folder that loads elsewhere: safetensors, config, record, model card."""
    parser = Parser("pushforward export", description=export.__doc__)
    parser.add_argument("run", help="RUN")
    parser.add_argument("folder", metavar="DIR", type=Path, help="an empty folder, or one that does not exist yet")
    parser.add_argument("--force", action="store_true", help="replace the model that is in DIR; other files stay")
    parser.add_argument("--license", default="", help="the weights' license, for the card: mit, cc-by-4.0, …")
    add_allow_modules(parser)
    asked = parser.parse_args(args)
    run = one(asked.run)
    from pushforward.exports import export as write

    with allowed(words(asked.allow_modules)):
        write(run, asked.folder, asked.force, asked.license)
    size = sum(file.stat().st_size for file in asked.folder.rglob("*") if file.is_file())
    print(f"{asked.folder}: {run.id}, {size / 1e6:.1f} MB; pushforward.load({str(asked.folder)!r}) loads it")
    return 0


def one(spec: str) -> Run:
    """Return the run that RUN means. Raises PushforwardError where it means several."""
    found = find(spec)
    if len(found) > 1:
        raise PushforwardError(f"'{spec}' means {len(found)} runs; name one: {', '.join(r.id for r in found[:4])} …")
    return found[0]


def sample(args: list[str]) -> int:
    """pushforward sample RUN: samples of a trained run as a picture: images in a grid, points in the plane."""
    parser = Parser("pushforward sample", description=sample.__doc__)
    parser.add_argument("run", help="RUN, the folder of an exported model, or hf://user/name")
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
    run = one(asked.run)
    from pushforward.report.figures import samples
    from pushforward.training.load_run import load

    with allowed(words(asked.allow_modules)):
        drawn = load(run).sample(asked.n, asked.seed, asked.label)
        samples({"x": drawn.numpy()}, asked.out, asked.n)
    print(asked.out)
    return 0
