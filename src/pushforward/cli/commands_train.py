"""Commands that train or measure."""

import argparse
import contextlib
import re
from pathlib import Path

from pushforward.allowed_targets import allowed, beside
from pushforward.cli.commands_about import folder
from pushforward.cli.parser import Parser, add_allow_modules, words
from pushforward.output_streams import steady
from pushforward.overrides import read
from pushforward.runs import find
from pushforward.runs.weights import named


def train(args: list[str]) -> int:
    """pushforward train: one run, or with -m a grid of them, by Hydra's own command line; --plan: what it would do."""
    with allowed(beside(config_dir(args))):
        if "--plan" in args:
            from pushforward.sweep.plan import plan

            return plan([a for a in args if a != "--plan"])
        from pushforward.command_line import hydra_train

        with steady():
            return hydra_train(args)


def config_dir(args: list[str]) -> Path | None:
    """Return the folder that Hydra's `--config-dir` names."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=True)
    parser.add_argument("--config-dir", "-cd", type=Path)
    with contextlib.suppress(argparse.ArgumentError, SystemExit):
        found: Path | None = parser.parse_known_args(args)[0].config_dir
        return found
    return None


def evaluate(args: list[str]) -> int:
    """pushforward evaluate RUN...: measures trained runs again, without training."""
    parser = Parser("pushforward evaluate", description=evaluate.__doc__)
    parser.add_argument(
        "run",
        nargs="+",
        help="RUN; metrics=… to measure otherwise; weights=best,last,ema: other weights than the chosen ones; "
        "data.source.path=… where its data are now",
    )
    parser.add_argument("--config-dir", type=Path, default=None, help="a folder of your own measures and densities")
    add_allow_modules(parser)
    asked = parser.parse_intermixed_args(args)
    measuring = [word for word in asked.run if re.match(r"[+~]*(metrics|features|measure|density)(=|\.|@)", word)]
    moved = [word for word in asked.run if re.match(r"data\.source\.[\w.]+=", word)]
    sets = [word for word in asked.run if word.startswith("weights=")]
    weights = [name for word in sets for name in named(word.partition("=")[2], word)]
    own = folder(asked.config_dir)
    # all are found before the first is measured
    runs = [run for spec in asked.run if spec not in (*measuring, *moved, *sets) for run in find(spec)]
    from pushforward.training.evaluate_again import evaluate_again

    failed = False
    with allowed([*beside(own), *words(asked.allow_modules)]):
        for run in {run.id: run for run in runs}.values():
            said, failures = evaluate_again(run, read(measuring), own, moved, weights)
            print(said)
            failed |= bool(failures)
    return int(failed)
