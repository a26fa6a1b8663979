"""A sweep's summary as a table in W&B, beside its jobs; a sweep is never lost to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pushforward import config
from pushforward.report.columns import all_numbers, ordered
from pushforward.runs import Run, runs_dir
from pushforward.sweep import sweep_record

MOST = 30
"""Numbers of a run that the table has room for; the main ones come first."""


def mirror(
    folder: Path, frozen: Sequence[dict[str, Any]], overrides: Sequence[Sequence[str]], codes: Sequence[int]
) -> None:
    """Log the table where the jobs log to W&B: a row a job, what it varies, its state and its numbers."""
    nodes = [f["logger"] for f in frozen if str((f["logger"] or {}).get("_target_")).endswith("wandb_logger")]
    states = {Run(runs_dir() / config.run_id(one)).state for one in frozen}
    if not nodes or states & {"new", "running"}:  # handed to a cluster, or stopped before their turn: not summed up yet
        return
    from pushforward.training.loggers import log_sweep

    try:
        log_sweep(
            folder,
            nodes[0],
            sweep_record.read(folder).get("group") or sweep_record.group(frozen, overrides),
            *table(frozen, overrides),
            failed=any(codes),
        )
    except Exception as error:
        print(f"wandb: the sweep's table is not logged: {str(error).splitlines()[0]}", flush=True)


def table(frozen: Sequence[dict[str, Any]], overrides: Sequence[Sequence[str]]) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows: run, state, what the jobs differ in as text, then numbers, None where a run has none."""
    runs = [Run(runs_dir() / config.run_id(one)) for one in frozen]
    asked = [dict(part.partition("=")[::2] for part in job) for job in overrides]
    keys = list(dict.fromkeys(key for job in asked for key in job))
    varied = [key for key in keys if len({job.get(key) for job in asked}) > 1]
    numbers = ordered(all_numbers(runs))[:MOST]
    rows = [
        [run.id, run.state, *(job.get(key) for key in varied), *(run.value(name) for name in numbers)]
        for run, job in zip(runs, asked, strict=True)
    ]
    return ["run", "state", *varied, *numbers], rows
