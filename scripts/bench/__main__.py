"""`python scripts/bench`: how fast training is beside a loop written by hand and beside Lightning as usually written.

python scripts/bench                       all cases whose data are here; --help has the options
python scripts/bench sweep --out sweeps    a sweep trained as one, one process a job, and in Lightning
python scripts/bench peers                 beside pythae, in an environment of its own
python scripts/bench jobs                  how long a job of a sweep takes to start
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])


def options(arguments: list[str]) -> argparse.Namespace:
    from pushforward import machine

    parser = argparse.ArgumentParser(
        "scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default="", metavar="A,B", help="only these; default: all whose data are here")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts")
    parser.add_argument("--seconds", type=float, default=0.8, help="of a round, prolonged to whole epochs")
    parser.add_argument("--threads", type=int, default=min(2, machine.threads()), help="of each contestant")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--metrics", action="store_true", help="also how long the metrics at the end of a run take")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also everything that was measured, for a file")
    parser.add_argument("--list", action="store_true", help="the cases and the rows")
    parser.add_argument("--start", action="store_true", help="instead: where the seconds of a cold start go")
    parser.add_argument("--growth", action="store_true", help="instead: cost against batch, size, runs and samples")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run a benchmark, or one of its processes, by the first word. Returns the exit code."""
    from bench import command, jobs, peers, rounds, sweep, worker
    from pushforward.errors import PushforwardError

    programs = {
        "sweep": sweep.main, "peers": peers.main, "jobs": jobs.main, "worker": worker.main, "images": rounds.write_images
    }  # fmt: skip
    try:
        if arguments and arguments[0] in programs:
            return programs[arguments[0]](arguments[1:])
        return command.run(options(arguments))
    except PushforwardError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
