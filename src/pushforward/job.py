"""`python -m pushforward.job CONFIG.yaml...`: a run from a frozen config, or several as one. What launchers start."""

import os
import sys
from pathlib import Path

import yaml

from pushforward import config, streams
from pushforward.errors import Busy
from pushforward.failures import BUSY, RESUMES, guarded
from pushforward.signals import handled, interrupt
from pushforward.trust import reach


def main(arguments: list[str] | None = None) -> int:
    """Trains the run whose directory holds the given frozen config; of several, all as one. Returns the exit code."""
    files = [Path(name) for name in (sys.argv[1:] if arguments is None else arguments)]
    streams.prepare()
    with handled(interrupt), streams.steady():
        return guarded(lambda: start(files), RESUMES)


def start(files: list[Path]) -> int:
    reach()
    # the other ranks start as `python -m`, which would put the working directory first on their path
    os.environ["PYTHONSAFEPATH"] = "1"
    frozen = yaml.safe_load(files[0].read_bytes())
    config.calm(frozen)
    if len(files) > 1:
        from pushforward.training import stacked

        return stacked.main([str(file) for file in files])
    from pushforward.training.train import train

    try:
        return train(frozen, files[0].parent)
    except Busy as error:
        print(f"error: {error}", file=sys.stderr)
        return BUSY


if __name__ == "__main__":
    sys.exit(main())
