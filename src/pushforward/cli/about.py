"""Commands about the subject, the configuration and the machine."""

import os
from pathlib import Path

from pushforward.cli.parser import Parser
from pushforward.runs import outputs

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
