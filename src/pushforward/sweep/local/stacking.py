"""Which jobs of a sweep are trained as one: tried out and measured in a process of its own, and told."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pushforward.sweep.jobs import Job
from pushforward.sweep.local.forkserver_client import Server

SHOWN = 3
"""Jobs named for each reason not to be stacked."""


def arrange(server: Server, jobs: Sequence[Job], at_once: int, replicas: int | None, folder: Path) -> None:
    """Numbers the stacks of `jobs`, at most `replicas` in each, and says which jobs are trained alone and why."""
    if len(jobs) < 2:
        return
    with tempfile.TemporaryDirectory() as name:
        file, answer, log = (Path(name) / part for part in ("jobs.json", "answer.json", "log"))
        file.write_text(json.dumps([job.frozen for job in jobs]), encoding="utf-8")
        args = [str(file), str(answer), str(at_once), str(replicas or 0)]
        threads = int(jobs[0].frozen["trainer"]["threads"])
        server.start("pushforward.training.stack_planning.main", args, log=log, threads=threads).wait()
        if not answer.exists():
            last = (log.read_text(encoding="utf-8").strip().splitlines() or ["its process was killed"])[-1]
            print(f"no job is stacked: {last}", flush=True)
            return
        found = json.loads(answer.read_text(encoding="utf-8"))
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
