"""Run what is missing of a table, and show how it stands."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from pushforward import launch
from pushforward.allowed_targets import allowed, beside
from pushforward.crash_report import explain
from pushforward.errors import PushforwardError, near
from pushforward.paper_tables import render
from pushforward.paper_tables.planned import KINDS, Planned, Preset, distinct, jobs, key, plan, searches, seconds
from pushforward.paper_tables.results import outcomes, results
from pushforward.paper_tables.table_file import files, load, read
from pushforward.report.eta import duration
from pushforward.report.plain_tables import add, plain, say
from pushforward.report.terminal import console
from pushforward.runs import Run, outputs
from pushforward.untrusted_text import line

TO_DO = ("to run", "resumes")
WIDTH = 80


def preset(
    name: str, which: str | None, overrides: Sequence[str], seeds: Sequence[int] | None, config_dir: Path | None
) -> Preset:
    """Return a table with one of its budgets, by default the first. Raises PushforwardError where there is none of the name."""
    table = load(name, config_dir)
    which = which or next(iter(table.budgets))
    if which not in table.budgets:
        raise PushforwardError(f"preset={which}: {name} has no such budget; {near(which, table.budgets)}")
    return Preset(
        table, which, table.budgets[which], tuple(seeds or table.budgets[which].seeds), tuple(overrides), config_dir
    )


def listing(config_dir: Path | None) -> Iterator[str]:
    """Yield the lines of the list of tables: name, title, source, and what each preset takes."""
    for name, path in files(config_dir).items():
        table = read(path)
        source = table.header.source[0].partition(", arXiv")[0].partition(" @")[0] if table.header.source else ""
        presets = []
        for which, budget in table.budgets.items():
            count = len({job.overrides for job in jobs(Preset(table, which, budget, budget.seeds))})
            presets.append(f"{which}: {count} run{'s' * (count != 1)}, about {duration(60 * budget.minutes)}")
        first, *more = [
            one
            for text in (table.header.sentence or name, source, "; ".join(presets))
            for one in textwrap.wrap(line(text), WIDTH - 22)
        ]
        yield f"{name:<21} {first}"
        yield from (f"{'':<21} {one}" for one in more)


def show_plan(chosen: Preset) -> int:
    """Print for each row how its runs stand, by seed, and about how long what is left takes. Returns 0."""
    planned = plan(chosen)
    each, whole = seconds(chosen, planned)
    kinds = [kind for kind in KINDS if any(one.kind == kind for one in planned)]
    several = list(chosen.table.blocks) != [""]
    shown = plain("row", *["block"] * several, *(f"{KINDS[kind]}: seed" for kind in kinds), "about")
    for row, block in dict.fromkeys((one.job.row, one.job.block) for one in planned):
        own = [one for one in planned if (one.job.row, one.job.block) == (row, block)]
        seeds = [shortened([one.job.seed for one in own if one.kind == kind]) for kind in kinds]
        left = sum(each.get(key(one.job), 0.0) for one in own)
        name = [chosen.table.blocks[block].name or block] * several
        add(shown, chosen.table.title(row), *name, *seeds, duration(left) if left else "")
    runs = distinct(planned)
    counts = {kind: sum(one.kind == kind for one in runs) for kind in kinds}
    said = f"{len(runs)} runs: " + ", ".join(f"{count} {KINDS[kind]}" for kind, count in counts.items())
    say(console(), shown, said + (f"; about {duration(whole)}" if whole else "") + ". Nothing was started (--plan).")
    noted = ("refused", "elsewhere", "waits")
    for note in dict.fromkeys(one.note for one in planned if one.kind in noted and one.note):
        print(f"  {line(note)}")
    return 0


def shortened(seeds: Sequence[int]) -> str:
    """`1 2 5..50`: seeds, of more than three in a row the first and the last."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return " ".join(f"{p[0]}..{p[-1]}" if len(p) > 3 else " ".join(map(str, p)) for p in parts)


def run(chosen: Preset, folder: Path | None) -> int:
    """Train and measure what is missing, then print the table and write its files. Returns the exit code."""
    with allowed(beside(chosen.config_dir)):
        code = search(chosen)
        tried: set[tuple[str, str, int]] = set()
        while not code and (
            ready := [o for o in distinct(plan(chosen)) if o.kind in TO_DO and key(o.job) not in tried]
        ):
            tried |= {key(one.job) for one in ready}
            code = train(chosen, ready)
        planned = plan(chosen)
        if code != launch.INTERRUPTED:
            code = max(code, measure(chosen, [one for one in distinct(planned) if one.kind == "to measure"]))
        for one in planned:
            if one.kind == "done" and one.run is not None and one.frozen is not None:
                launch.add_tags(one.run, dict(one.frozen))
    planned = plan(chosen)
    left = [one for one in planned if one.kind != "done"]
    if code == launch.INTERRUPTED:
        print(f"interrupted: {len(left)} of {len(planned)} runs are not finished; the same command finishes them")
        return code
    show(chosen, planned, folder)
    if left:
        print(
            f"{len(left)} of {len(planned)} runs are not finished; the same command finishes them (--plan says which)"
        )
    return code or int(bool(left))


def show(chosen: Preset, planned: Sequence[Planned], folder: Path | None) -> None:
    """Print the table as its runs stand, and write its files."""
    found = results(chosen, planned)
    comparison = render.Comparison(chosen, found, outcomes(chosen, found))
    render.show(comparison, console())
    try:
        for path in render.write(comparison, folder or outputs() / "tables"):
            print(path)
    except OSError as error:
        print(f"the table's files are not written: {explain(error)}, or name a folder by --out")


def packable(name: str, config_dir: Path | None = None) -> list[Run]:
    """Return the runs of a table that have ended, under any of its presets; none where there is no table of the name."""
    if name not in files(config_dir):
        return []
    table = load(name, config_dir)
    chosen = (Preset(table, which, budget, budget.seeds, (), config_dir) for which, budget in table.budgets.items())
    return [
        one.run for one in distinct(planned for each in chosen for planned in plan(each))
        if one.run is not None and one.run.state in ("finished", "diverged", "failed")
    ]  # fmt: skip


def search(chosen: Preset) -> int:
    """Run the searches of the budget that have trials left, one after another. Returns the code of an interruption, else 0."""
    from pushforward.command_line import hydra_train

    own = ["--config-dir", str(chosen.config_dir)] if chosen.config_dir else []
    for one in searches(chosen):  # a trial that fails or diverges is one: the search goes on
        if hydra_train([*own, "-m", *one.overrides]) == launch.INTERRUPTED:
            return launch.INTERRUPTED
    return 0


def train(chosen: Preset, ready: Sequence[Planned]) -> int:
    """Run jobs as one sweep of the launcher that was asked for. Returns its exit code."""
    from pushforward.command_line import run_jobs
    from pushforward.overrides import read

    own = [o for o in chosen.overrides if o.startswith("hydra")]
    return run_jobs(chosen.config_dir, read(own), [read(one.job.overrides) for one in ready])


def measure(chosen: Preset, lacking: Sequence[Planned]) -> int:
    """Measure finished runs that lack a number of the table, as the table's configuration asks. Returns 1 where that failed."""
    failed = False
    for one in lacking:
        from pushforward.training.evaluate_again import evaluate_again

        assert one.run is not None and one.frozen is not None
        print(f"{one.run.id}: {one.note}; it is measured again", flush=True)
        said, gaps = evaluate_again(one.run, launch.to_measure(one.run, dict(one.frozen)) or [], chosen.config_dir)
        print(said, flush=True)
        failed |= bool(gaps)
    return int(failed)
