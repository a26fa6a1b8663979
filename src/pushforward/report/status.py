"""`pushforward status`: the state of every sweep and every run, from their files; once, or followed."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pushforward.report.bars import WIDE
from pushforward.report.columns import headline
from pushforward.report.eta import Estimates, age, duration, remaining, speed, sweep_left
from pushforward.report.plain_tables import add, figure, plain, say
from pushforward.report.terminal import console, progress, share, waiting
from pushforward.runs import UNREADABLE, Run, Sweep
from pushforward.runs.schema import moment
from pushforward.untrusted_text import line as on_one_line

STYLES = {
    "finished": "green",
    "running": "cyan",
    "failed": "red",
    "diverged": "red",
    "stopped": "yellow",
    UNREADABLE: "red",
}
SECONDS = 2.0
"""The seconds between two updates of `--watch`."""
SWEEPS = 5
"""Sweeps that are shown, unless all are asked for: the last ones."""
NOTABLE = 0.1
"""The share of a run's time in which it waits for data, from which on the table says so."""

Look = Callable[[], tuple[Sequence[Run], Sequence[Sweep]]]


def show(look: Look, every: bool, watch: bool, studies: Callable[[], Sequence[dict[str, Any]]] = tuple) -> None:
    """Prints what `look` finds; in a terminal the last ones that fit, unless `every`. `watch`: again, until Ctrl-C."""
    out = console()

    def drawn(spare: int) -> Group:
        runs, sweeps = look()
        found = studies()
        taken = spare + min(len(sweeps), SWEEPS) + (len(found) + 2 if found else 0)
        rows = None if every or not out.is_terminal else max(5, out.height - taken)
        searches: list[RenderableType] = [study_table(found), ""] if found else []
        return Group(*searches, *board(runs, sweeps if every else sweeps[-SWEEPS:], rows, out.width >= WIDE))

    if not watch:
        say(out, *drawn(6).renderables)
    elif out.is_terminal:
        try:
            with Live(drawn(7), console=out, auto_refresh=False, transient=False) as live:
                while True:
                    time.sleep(SECONDS)
                    live.update(drawn(7), refresh=True)
        except KeyboardInterrupt:
            pass
    else:
        follow(look)


def follow(look: Look) -> None:
    """The watch without a terminal: a line whenever the counts change."""
    said = ""
    try:
        while True:
            line = counted(look()[0])
            if line != said:
                print(f"{datetime.now():%H:%M:%S} {line}", flush=True)
            said = line
            time.sleep(SECONDS)
    except KeyboardInterrupt:
        pass


def board(runs: Sequence[Run], sweeps: Sequence[Sweep], rows: int | None, wide: bool = True) -> list[RenderableType]:
    """Sweeps, runs by their last news, counts. rows: runs that are shown at most; the last ones."""
    parts: list[RenderableType] = []
    if sweeps:
        parts += [sweep_table(sweeps, {run.id: run for run in runs}, wide), ""]
    ordered = sorted(runs, key=lambda run: (run.state == "running", str(run.status.get("updated") or ""), run.id))
    shown = ordered if rows is None else ordered[-rows:]
    if len(shown) < len(ordered):
        parts.append(Text(f"… {len(ordered) - len(shown)} more, older ones: pushforward status --all", style="dim"))
    parts += [run_table(shown, wide), counted(runs)]
    return parts


def counted(runs: Sequence[Run]) -> str:
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.state] = counts.get(run.state, 0) + 1
    if not runs:
        return "no runs"
    return f"{len(runs)} run{'s' * (len(runs) != 1)}: " + ", ".join(
        f"{n} {state}" for state, n in sorted(counts.items())
    )


def sweep_table(sweeps: Sequence[Sweep], known: Mapping[str, Run], wide: bool = True) -> Table:
    """A line a sweep: its jobs by state, the time it has left, what it varies; where there is room, when it started."""
    table, estimates = plain("sweep", "jobs", "left", *(["started"] if wide else []), "varies"), Estimates()
    for sweep in sweeps:
        counts, rest = sweep.counts(known), ""
        jobs = f"{sum(counts.values())}: " + ", ".join(f"{n} {state}" for state, n in counts.items())
        if sweep.alive:
            seconds = sweep_left(sweep, sweep.runs(known), estimates)
            rest = "running" if seconds is None else f"about {duration(seconds)}"
        elif sweep.stopped and set(counts) & {"waiting", "stopped"}:
            rest = "stopped"
        add(table, sweep.id, jobs, rest, *([age(sweep.started)] if wide else []), sweep.name[:60])
    return table


def study_table(studies: Sequence[dict[str, Any]]) -> Table:
    """A line a search: its trials by how they ended, the best so far."""
    table = plain("study", "trials", "best", "updated")
    for study in studies:
        ends = [f"{study[key]} {key}" for key in ("complete", "pruned", "failed", "running") if study.get(key)]
        best = study.get("best") or {}
        number = f"{best['value']:.5g}" if best.get("value") is not None else "–"
        value = f"{' '.join(study.get('metric') or [])} {number}: {best.get('run')}" if best else ""
        trials = f"{study.get('trials')}: {', '.join(ends)}"
        if "unreadable" in study:
            trials, value = "unreadable", study["unreadable"]
        add(table, study["name"], trials, value, age(moment(study.get("updated") or "")))
    return table


def run_table(runs: Sequence[Run], wide: bool = True) -> Table:
    """A line a run: state, images seen, last news, main metric, error; of running ones speed and time left, with a bar.

    Not `wide`: of the images their share alone, no bar and no speed, and a number or an error.
    """
    alive, estimates = any(run.state == "running" for run in runs), Estimates()
    moving = (("", "images/s", "left") if wide else ("left",)) if alive else ()
    last = ("main metric", "error") if wide else ("number or error",)
    table = plain("run", "state", "images seen" if wide else "seen", *moving, "updated", *last)
    if not wide:
        table.padding = (0, 1, 0, 0)
    for run in runs:
        cells: list[RenderableType] = [run.id, Text(standing(run), style=STYLES.get(run.state.split()[0], ""))]
        cells.append(progress(run) if wide else share(run))
        if alive:
            moves = motion(run, estimates) if run.state == "running" else ("", "", "")
            cells += moves if wide else moves[-1:]
        wrong = run.damage("status.json", "record.json") if run.state == UNREADABLE else run.status.get("error")
        number, wrong = main_metric(run), on_one_line(wrong or "")[:80]
        add(table, *cells, age(run.when()), *((number, wrong) if wide else (wrong or number,)))
    return table


def standing(run: Run) -> str:
    """The state of a run; `measuring` of one that is trained and still measured."""
    return str(run.status.get("phase") or run.state) if run.state == "running" else run.state


def motion(run: Run, estimates: Estimates) -> tuple[RenderableType, str, str]:
    """Bar, images a second and time left of a running run."""
    seen, whole = run.status.get("images_seen") or 0, run.status.get("budget_images")
    pace, rest = speed(run), remaining(run, run.config, estimates)
    bar = ProgressBar(total=whole, completed=seen, width=14) if whole else ""
    return bar, f"{pace:,.0f}" if pace else "", "" if rest is None else duration(rest)


def main_metric(run: Run) -> str:
    """The main number of a finished run; of a running one what is being measured, or its terms."""
    if run.state == "running" and run.status.get("stage"):
        return str(run.status["stage"])
    if name := headline(run):
        return f"{name} {figure(run.metrics[name]['value'], 4)} {run.metrics[name]['unit']}"
    latest = run.status.get("latest") or {}
    terms = [f"{name} {value:.4g}" for name, value in list(latest.items())[:2]]
    waits = run.status.get("data_wait") or 0.0
    return "  ".join([*terms, *([waiting(waits)] if run.state == "running" and waits > NOTABLE else [])])
