"""`python -m pushforward.job CONFIG.yaml...`: a run from a frozen config, or several as one. What launchers start."""

import os
import sys
from pathlib import Path

import yaml

from pushforward import config, output_streams
from pushforward.allowed_targets import reach
from pushforward.crash_report import BUSY, RESUMES, guarded
from pushforward.errors import Busy
from pushforward.signals import handled, interrupt


def main(arguments: list[str] | None = None) -> int:
    """Train the run whose directory holds the given frozen config; of several, all as one. Returns the exit code."""
    files = [Path(name) for name in (sys.argv[1:] if arguments is None else arguments)]
    output_streams.prepare()
    with handled(interrupt), output_streams.steady():
        return guarded(lambda: start(files), RESUMES)


def start(files: list[Path]) -> int:
    reach()
    # the other ranks start as `python -m`, which would put the working directory first on their path
    os.environ["PYTHONSAFEPATH"] = "1"
    frozen = yaml.safe_load(files[0].read_bytes())
    config.calm(frozen)
    if len(files) > 1:
        from pushforward.training import stacked_runs

        return stacked_runs.main([str(file) for file in files])
    from pushforward.training.train import train

    try:
        return train(frozen, files[0].parent)
    except Busy as error:
        print(f"error: {error}", file=sys.stderr)
        return BUSY


if __name__ == "__main__":
    sys.exit(main())
