"""Finding the jobs of a sweep that are trained as one, by trial in a process of its own."""

import json
from collections.abc import Sequence
from pathlib import Path

from pushforward.sweep.jobs import Job
from pushforward.sweep.local.forkserver_client import Server

SHOWN = 3
"""Jobs named for each reason not to be stacked."""


def arrange(server: Server, jobs: Sequence[Job], at_once: int, replicas: int | None, folder: Path) -> None:
    """Number the stacks of `jobs`, at most `replicas` in each, and says which jobs are trained alone and why."""
    if len(jobs) < 2:
        return
    text, said = server.answer(
        "pushforward.training.stack_planning.main", [job.frozen for job in jobs], str(at_once), str(replicas or 0),
        threads=int(jobs[0].frozen["trainer"]["threads"]),
    )  # fmt: skip
    if text is None:
        print(f"no job is stacked: {said}", flush=True)
        return
    found = json.loads(text)
    for number, members in enumerate(found["stacks"]):
        for member in members:
            jobs[member].stack = number
            jobs[member].logged = str(folder / f"stack-{number}.log")
    for line in found["notes"]:
        print(f"trained as one: {line}", flush=True)
    reasons: dict[str, list[str]] = {}
    for member, why in found["alone"].items():
        reasons.setdefault(why, []).append(jobs[int(member)].overrides or jobs[int(member)].path.name)
    for why, names in reasons.items():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        print(f"trained alone: {', '.join(names[:SHOWN])}{more}: {why}", flush=True)
