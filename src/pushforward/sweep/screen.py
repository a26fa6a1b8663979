"""What a person sees of a sweep: a line at the start, a bar a job while it runs, a summary at the end."""

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pushforward.runs import Run
from pushforward.sweep.jobs import Job, unique


def show(jobs: list[Job], waiting: list[Job], at_once: int) -> None:
    done = sum(job.state.startswith("skipped (finished)") for job in jobs)
    print(f"{len(jobs)} jobs: {done} finished before, {len(waiting)} to run, {at_once} at a time", flush=True)


class bars:
    """A bar for the sweep and one for each running job; plain lines where the output is no terminal."""

    def __init__(self, jobs: list[Job]) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=28), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=Console(file=sys.stderr), disable=not sys.stderr.isatty(), transient=True,
        )  # fmt: skip
        self.tasks: dict[Path, TaskID] = {}
        self.tasks[Path()] = self.progress.add_task("sweep", total=len(jobs), note="")

    def __enter__(self) -> tuple[Progress, dict[Path, TaskID]]:
        self.progress.start()
        return self.progress, self.tasks

    def __exit__(self, *error: object) -> None:
        self.progress.stop()


def update(progress: Progress, tasks: dict[Path, TaskID], jobs: list[Job]) -> None:
    over = sum(job.state not in ("waiting", "running") for job in jobs)
    progress.update(tasks[Path()], completed=over)
    for job in jobs:
        if job.state == "running":
            status = Run(job.path).status
            if job.path not in tasks:
                tasks[job.path] = progress.add_task(job.path.name, total=None, note="")
            terms = "  ".join(f"{k} {v:.4g}" for k, v in (status.get("latest") or {}).items())
            progress.update(
                tasks[job.path], total=status.get("budget_images"), completed=status.get("images_seen") or 0, note=terms
            )
        elif job.path in tasks:
            progress.remove_task(tasks.pop(job.path))
            if progress.disable:
                print(f"{job.state:<10} {job.path.name}", flush=True)
            else:
                progress.console.print(f"{job.state:<10} {job.path.name}", highlight=False)


def summarise(jobs: list[Job]) -> None:
    """Counts, and for every job that did not finish its cause and where its log is."""
    counts: dict[str, int] = {}
    for job in jobs:
        counts[job.state] = counts.get(job.state, 0) + 1
    print("sweep: " + ", ".join(f"{n} {state}" for state, n in counts.items()), flush=True)
    for job in unique(jobs):
        if job.code:
            error = Run(job.path).status.get("error") or last_line(job.log) or f"exit code {job.code}"
            print(f"  {job.state}: {job.path.name} ({job.overrides}): {error}\n    log: {job.log}", flush=True)


def last_line(path: Path) -> str:
    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""
