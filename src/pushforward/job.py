"""`python -m pushforward.job CONFIG.yaml`: one run from a frozen config. What launchers start, one process a job."""

import sys
from pathlib import Path

import yaml

from pushforward import config
from pushforward.errors import PushforwardError


def main(arguments: list[str] | None = None) -> int:
    """Trains the run whose directory holds the given frozen config. Returns the exit code."""
    path = Path((arguments if arguments is not None else sys.argv[1:])[0])
    frozen = yaml.safe_load(path.read_text())
    config.calm(frozen)
    from pushforward.training.train import train

    try:
        return train(frozen, path.parent)
    except PushforwardError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
