"""Commands about the subject, the configuration and the machine."""

import inspect
import itertools
import re
import textwrap
from pathlib import Path

from pushforward.cli.parser import Parser
from pushforward.errors import PushforwardError, near
from pushforward.recipes import MEASURED, by_family, comment, first_sentence, header
from pushforward.runs import outputs

LISTS = {"models": "model", "networks": "network", "schedules": "schedule"}
"""Plurals that are no group's name."""
COSTS = {
    "pass": "one or a few passes over the images (of a diffusion many calls each)",
    "samples": "as many samples as metrics.images (of a diffusion the most of its time)",
    "fit": "something fitted to codes or many gradients, seconds",
    "minutes": "minutes",
}
"""Words for `# cost:` in a measure's file."""


def list_(args: list[str]) -> int:
    """pushforward list WHAT: the options of a config group, or the launchers of sweeps, one line each."""
    from pushforward.config import conf_dir

    parser = Parser("pushforward list", description=list_.__doc__)
    parser.add_argument(
        "what", metavar="WHAT", help="models, data, networks, metrics, schedules, launchers, … or a group"
    )
    parser.add_argument("--config-dir", type=Path, default=None, help="a folder of your own groups, beside ours")
    asked = parser.parse_args(args)
    own = folder(asked.config_dir)
    known = listed(own)
    if asked.what not in known:
        raise PushforwardError(f"pushforward list {asked.what}: {near(asked.what, known)}")
    group = LISTS.get(asked.what, asked.what)
    if group == "model":
        print("\n\n".join(families(own)))
    else:
        for name, text in (launchers() if group == "launchers" else summaries(group, own)).items():
            print(f"{name:<22} {folded(text)}")
    if asked.what in ("metrics", "measure"):
        files = sorted((conf_dir() / "measure").glob("*.yaml"))
        print("\nwhat each measure costs; one more: +measure@metrics.NAME=NAME")
        for cost, meant in COSTS.items():
            print(f"{meant}: {', '.join(file.stem for file in files if price(file) == cost)}")
    return 0


def families(own: Path | None = None) -> list[str]:
    """Return the recipes of each family under its heading, a line each: the whole sentence where it fits, else its title."""
    from pushforward.config import conf_dir
    from pushforward.report.terminal import console

    width = console().width - 25
    found = []
    for heading, files in by_family([conf_dir(), *([own] if own else [])]).items():
        lines = [heading]
        for name, path in files.items():
            said = header(path)
            text = said.sentence if len(said.sentence) <= width else said.title
            lines.append(f"  {name:<22} {textwrap.shorten(text, width, placeholder=' …')}")
        found.append("\n".join(lines))
    return found


def folded(text: str) -> str:
    """Return a text beside a name, folded to the terminal; whole in a pipe."""
    from pushforward.report.terminal import console

    out = console()
    return f"\n{'':<23}".join(textwrap.wrap(text, out.width - 23)) if out.is_terminal else text


def listed(own: Path | None = None) -> list[str]:
    """Return what can be listed: config groups, by their plurals too, and launchers; own: a person's folder of groups."""
    from pushforward.config import conf_dir

    folders = [conf_dir(), *([own] if own else [])]
    groups = {path.parent.relative_to(f).as_posix() for f in folders for path in f.rglob("*.yaml") if path.parent != f}
    return sorted({*LISTS, *groups, "launchers"})


def folder(config_dir: Path | None) -> Path | None:
    """Return the folder after --config-dir. Raises PushforwardError where there is none."""
    if config_dir is not None and not config_dir.is_dir():
        raise PushforwardError(f"--config-dir {config_dir}: there is no such folder")
    return config_dir


def summaries(group: str, own: Path | None = None) -> dict[str, str]:
    """{option: the first sentence of its file}; a person's own come last."""
    from pushforward.config import conf_dir

    folders = [conf_dir(), *([own] if own else [])]
    files = [path for f in folders for path in sorted((f / group).glob("*.yaml"))]
    return {path.stem: sentence(path) for path in files}


def sentence(path: Path) -> str:
    """Return the first sentence of a file's leading comment; empty where it has none."""
    block = comment(path)
    rest = itertools.takewhile(lambda line: not line.startswith(("pushforward ", "cost: ", MEASURED)), block[1:])
    return first_sentence(" ".join([*block[:1], *rest]).removeprefix(f"{path.stem}:").strip())


def launchers() -> dict[str, str]:
    """{option of hydra/launcher: what it does}, from the first line of each docstring."""
    from hydra_plugins.pushforward_launchers.launchers import LAUNCHERS

    return {name: (inspect.getdoc(LAUNCHERS[name]) or "").splitlines()[0] for name in sorted(LAUNCHERS)}


def price(path: Path) -> str:
    """Return what a measure costs, one of `COSTS`; empty where its file does not say."""
    found = re.findall(r"^# cost: (\w+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[0] if found else ""


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
