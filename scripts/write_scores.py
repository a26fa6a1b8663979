"""Write the numbers last measured into recipes' headers, from run records.

python scripts/write_scores.py --runs tags=zoo                            # runs of conf/experiment/zoo.yaml
python scripts/write_scores.py --runs tags=zoo --runs tags=zoo_mnist --check     # which headers would change

A line for each data set, `# measured on digits: bpd 2.51 bits/dim, fd_lenet 45.1, 12 s (40 epochs, 1 seed)`: the number that
sums a recipe up, the distance of its samples, seconds of training, as means over seeds. It is of the recipe as it stands:
a run with anything else overridden than data, seed, budget and selection is refused, and so is one that is stale or did not
finish, each in a line. Of several budgets the largest counts. The same runs write the same lines.
With --no-times no seconds are written.
Exit code 1 where a run was refused, or with --check where a header would change.
"""

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from pushforward import config
from pushforward.atomic_files import write_whole
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.recipes import MEASURED, header
from pushforward.report.columns import headline
from pushforward.report.table_grid import number
from pushforward.runs import Run, find

DISTANCES = ("fd_lenet", "fd_lenet_mixture")
"""Distances of samples: from the recipe's own prior, or through a mixture fitted to its codes."""


def refusal(run: Run) -> str:
    """Return why a run says nothing about its recipe; empty where it does."""
    if damage := run.damage():
        return damage
    if run.state != "finished":
        return f"it is {run.state}"
    if run.key("model") not in config.options("model"):
        return f"there is no recipe {run.key('model')}"
    if why := config.stale(run):
        return why
    if headline(run) is None:
        return "nothing was measured that sums it up; pushforward evaluate measures it"
    try:
        recipe = compose(list(recipe_of(run)))
    except PushforwardError as error:
        return str(error)
    return "" if config.identity(recipe) == run.identity else "it is not what its recipe trains now"


def recipe_of(run: Run) -> Iterable[str]:
    """Yield the overrides by which its recipe alone would train it."""
    yield from (f"{group}={run.choices[group]}" for group in ("model", "data"))
    if "encoder" in run.config:
        yield f"data.run={run.key('data.run')}"
    if run.key("init_from") and begins_with_another(str(run.key("model"))):
        yield f"init_from={run.key('init_from')}"
    for key in ("seed", "budget.epochs", "budget.images", "selection.metric", "selection.every"):
        value = run.key(key)
        yield f"{key}={'null' if value is None else value}"


def begins_with_another(recipe: str) -> bool:
    """Whether the command in a recipe's header begins with another run, such as the flow that is made straighter."""
    found = header(config.conf_dir() / "model" / f"{recipe}.yaml")
    return any("init_from=" in command for command in found.commands)


def score(runs: Sequence[Run], times: bool = True) -> str:
    """Return `bpd 2.51 ± 0.01 bits/dim, fd_lenet 45.1 ± 2.0, 12 s (40 epochs, 2 seeds)` of runs that differ in the seed."""
    first = headline(runs[0])
    assert first is not None
    distance = next((name for name in DISTANCES if runs[0].value(name) is not None), first)
    shown = dict.fromkeys((first, distance))
    parts = []
    for name in shown:
        values = [value for run in runs if (value := run.value(name)) is not None]
        spread = statistics.stdev(values) if len(values) > 1 else None
        unit = "" if name in DISTANCES else runs[0].metrics[name]["unit"]
        parts.append(f"{name} {number(statistics.fmean(values), spread)} {unit}".rstrip())
    seconds = [value for run in runs if (value := run.value("wall_time")) is not None]
    if seconds and times:
        mean = statistics.fmean(seconds)
        parts.append(f"{mean:.0f} s" if mean >= 9.5 else f"{mean:.1f} s")
    return f"{', '.join(parts)} ({length(runs[0])}, {len(runs)} seed{'s' * (len(runs) > 1)})"


def length(run: Run) -> str:
    epochs, images = run.key("budget.epochs"), run.key("budget.images")
    return f"{images:,} images" if epochs is None else f"{epochs:g} epoch{'s' * (epochs != 1)}"


def scores(runs: Iterable[Run], times: bool = True) -> dict[str, dict[str, str]]:
    """Return {recipe: {data: its line}} of runs that say something; of the longest budget of each."""
    groups: dict[tuple[str, str], dict[float, dict[str, Run]]] = defaultdict(lambda: defaultdict(dict))
    for run in runs:
        seen = float(run.status["images_seen"])
        groups[str(run.key("model")), str(run.images)][seen][str(run.key("seed"))] = run
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for (recipe, data), budgets in groups.items():
        found[recipe][data] = score([run for _, run in sorted(budgets[max(budgets)].items())], times)
    return dict(found)


def written(text: str, lines: dict[str, str]) -> str:
    """Return a recipe's file with these lines in its header, those of other data sets kept."""
    rows = text.splitlines()
    end = next((i for i, row in enumerate(rows) if not row.startswith("#")), len(rows))
    mark = f"# {MEASURED}"
    old = {row.removeprefix(mark).partition(": ")[0]: row for row in rows[:end] if row.startswith(mark)}
    new = old | {data: f"{mark}{data}: {line}" for data, line in lines.items()}
    kept = [row for row in rows[:end] if not row.startswith(mark)]
    return "\n".join([*kept, *(row for _, row in sorted(new.items())), *rows[end:]]) + "\n"


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--runs", action="append", required=True, help="RUN: a filter such as tags=zoo, a folder, an id"
    )
    parser.add_argument("--recipes", type=Path, default=config.conf_dir() / "model", help="the folder of recipes")
    parser.add_argument("--check", action="store_true", help="write nothing, and say what would change")
    parser.add_argument(
        "--no-times", action="store_true", help="leave out seconds: the runs shared the machine with others"
    )
    asked = parser.parse_args(args)
    try:
        runs = {run.id: run for spec in asked.runs for run in find(spec)}
    except PushforwardError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    refused = {run.id: why for run in runs.values() if (why := refusal(run))}
    for name, why in refused.items():
        print(f"{name}: {why}", file=sys.stderr)
    found, changed = scores((run for run in runs.values() if run.id not in refused), not asked.no_times), 0
    for recipe, lines in sorted(found.items()):
        file = asked.recipes / f"{recipe}.yaml"
        before = file.read_text(encoding="utf-8")
        after = written(before, lines)
        if after != before:
            changed += 1
            print(file.name, *lines.values(), sep="  ")
            if not asked.check:
                write_whole(file, after.encode())
    verb = "would change" if asked.check else "changed"
    print(f"{len(found)} recipes, {changed} headers {verb}, {len(refused)} runs refused")
    return int(bool(refused) or (asked.check and changed > 0))


if __name__ == "__main__":
    sys.exit(main())
