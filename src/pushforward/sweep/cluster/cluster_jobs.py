"""Helpers of launchers on clusters: the jobs left to run, and how they ended."""

from pushforward.runs import KILLED, Run
from pushforward.sweep.jobs import Job, say_more, settled, unique


def rehearse(jobs: list[Job]) -> None:
    """Try every distinct job here. Raises PushforwardError. Whether there are GPUs is another machine's question."""
    if not jobs:
        return
    from pushforward.training.dry_run import rehearse

    rehearse([job.frozen for job in jobs], here=False)


def unfinished(jobs: list[Job]) -> list[Job]:
    left = [job for job in unique(jobs) if not settled(job)]
    say_more(jobs)
    return left


def over(job: Job, where: str) -> None:
    """Note how a job ended, as its run directory tells. where: a file to look at if that is silent."""
    state = Run(job.path).state
    if state == "finished":
        job.state, job.code = state, 0
        return
    job.state, job.code = state.split(" ")[0], 1
    if state in ("new", "queued"):
        job.state, job.cause = "failed", f"it ended before it began: see {where}"
    elif state == KILLED:
        job.cause = f"killed: out of memory or time, or by hand: see {where}"
