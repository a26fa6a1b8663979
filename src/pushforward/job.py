"""`python -m pushforward.job CONFIG.yaml...`: a run from a frozen config, or several as one. What launchers start."""

import os
import sys
from pathlib import Path

import yaml

from pushforward import config
from pushforward.errors import PushforwardError
from pushforward.trust import reach


def main(arguments: list[str] | None = None) -> int:
    """Trains the run whose directory holds the given frozen config; of several, all as one. Returns the exit code."""
    files = sys.argv[1:] if arguments is None else arguments
    reach()
    # the other ranks start as `python -m`, which would put the working directory first on their path
    os.environ["PYTHONSAFEPATH"] = "1"
    if len(files) > 1:
        return stacked(files)
    path = Path(files[0])
    frozen = yaml.safe_load(path.read_text())
    config.calm(frozen)
    from pushforward.training.train import train

    try:
        return train(frozen, path.parent)
    except PushforwardError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def stacked(files: list[str]) -> int:
    config.calm(yaml.safe_load(Path(files[0]).read_text()))
    from pushforward.training.stacked import main

    return main(files)


if __name__ == "__main__":
    sys.exit(main())
