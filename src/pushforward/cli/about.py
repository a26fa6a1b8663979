"""Commands about the subject, the configuration and the machine."""

from pathlib import Path

from pushforward.cli.parser import Parser
from pushforward.runs import outputs

LISTS = {"models": "model", "data": "data", "networks": "network", "metrics": "metrics", "schedules": "schedule"}
COSTS = {
    "pass": "one or a few passes over the images (of a diffusion many calls each)",
    "samples": "as many samples as metrics.images (of a diffusion the most of its time)",
    "fit": "something fitted to codes or many gradients, seconds",
    "minutes": "minutes",
}
"""What `# cost:` in a measure's file means."""


def list_(args: list[str]) -> int:
    """pushforward list WHAT: the options of a config group, one line each."""
    from pushforward.config import conf_dir

    groups = sorted(p.name for p in conf_dir().iterdir() if p.is_dir() and any(p.glob("*.yaml")))
    names = {**LISTS, **{g: g for g in groups}}
    parser = Parser("pushforward list", description=list_.__doc__)
    parser.add_argument("what", choices=sorted(names), metavar="WHAT", help=", ".join(sorted(names)))
    group = names[parser.parse_args(args).what]
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        print(f"{path.stem:<22} {about(path)[0]}")
    if group in ("metrics", "measure"):
        measures = {path.stem: about(path) for path in sorted((conf_dir() / "measure").glob("*.yaml"))}
        print("\nwhat each measure costs; one more: +measure@metrics.NAME=NAME")
        for cost, meant in COSTS.items():
            print(f"{meant}: {', '.join(name for name, (_, its) in measures.items() if its == cost)}")
    return 0


def about(path: Path) -> tuple[str, str]:
    """What a config file's comments say of it, in a line; and of a measure what it costs, one of `COSTS`, else nothing."""
    lines = [
        line.lstrip("# ").strip() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")
    ]
    lines = [line for line in lines if not line.startswith("@package")]
    cost = next((line.removeprefix("cost:").strip() for line in lines[1:] if line.startswith("cost:")), "")
    return (lines or [""])[0].removeprefix(f"{path.stem}:").strip(), cost


def tour(args: list[str]) -> int:
    """pushforward tour: the subject in eight plots, from entropy to diffusion, on digits, in under a minute."""
    parser = Parser("pushforward tour", description=tour.__doc__)
    parser.add_argument("--out", type=Path, default=None, help="folder for the plots, their arrays and index.html")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is trained and drawn")
    asked = parser.parse_args(args)
    from pushforward.tour import tour as draw

    draw(asked.out or outputs() / "tour", asked.seed)
    return 0


def doctor(args: list[str]) -> int:
    """pushforward doctor: what this machine has and what is missing, with the remedy."""
    Parser("pushforward doctor", description=doctor.__doc__).parse_args(args)
    from pushforward.doctor import examine

    lines, healthy = examine()
    print("\n".join(lines))
    return 0 if healthy else 1
