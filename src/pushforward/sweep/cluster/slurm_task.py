"""A task of a job that submitit runs: one of a run's processes, requeued where it was stopped by a warning or pre-empted."""

import os
import signal
from pathlib import Path
from typing import Any

import yaml

from pushforward.run_identity import check_identity
from pushforward.runs import Run
from pushforward.signals import Asked
from pushforward.sweep import job_process


class Task:
    """The task that is submitted: it holds the path of a frozen config and is called on the node, once a device.

    The training process is its child. submitit's warning (SIGUSR2: time is up, or another takes the node) and SIGTERM
    are handed to the child as one SIGTERM: the run checkpoints and stops. After a warning the job is queued again, and
    called again it resumes.
    """

    def __init__(self, file: Path, patience: float) -> None:
        """file: frozen config; patience: seconds that the child has to stop before it is killed."""
        self.file, self.patience = file, patience

    def __call__(self) -> int:
        run = Run(self.file.parent)
        check_identity(run, yaml.safe_load(self.file.read_bytes()))
        if run.state == "finished":  # by another launcher, while this one was in the queue
            return 0
        from submitit import JobEnvironment

        there = JobEnvironment()
        warning = there._usr_sig()
        requeue, asked = signal.getsignal(warning), Asked(signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, warning)
        with asked:
            log = None if there.cluster == "debug" else self.file.with_name(log_name(there.global_rank))
            code = job_process.follow(job_process.begin(self.file, log, environment(there)), asked, self.patience)
        # the first process writes the status, after the others have ended
        unfinished = there.global_rank == 0 and Run(self.file.parent).state != "finished"
        if (code == 0 and not unfinished) or there.cluster == "debug":
            return code
        ordered = asked() and (code < 0 or code >= 128)  # a signal's exit codes; an error of its own is 1 or 2
        if ordered and warning in asked.taken:
            if callable(requeue):
                requeue(warning, None)  # submitit writes what `checkpoint` returns, has the job queued again, and exits
            return code  # not the first task: the first one queues again
        if ordered:
            raise SystemExit(code)  # by SLURM itself, which knows whether it queues again: no result is written
        state = Run(self.file.parent).state
        raise RuntimeError(f"{self.file.parent.name}: exit code {code}, and the run is {state}; see {log}")

    def checkpoint(self) -> Any:
        """Return how a requeued job resumes: by being called again. The run's own checkpoint is in its directory."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def log_name(rank: int) -> str:
    return "job.log" if rank == 0 else f"job-{rank}.log"


def environment(there: Any) -> dict[str, str]:
    """Return the environment of a run's process. On SLURM Lightning reads what SLURM says; elsewhere it is told its rank."""
    if there.cluster == "slurm":
        return dict(os.environ)
    ours = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
    if there.num_tasks == 1:
        return ours
    named = {
        "RANK": there.global_rank, "LOCAL_RANK": there.local_rank, "NODE_RANK": there.node, "WORLD_SIZE": there.num_tasks,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 15000 + int(there.job_id) % 10000,  # as Lightning does with SLURM's
    }  # fmt: skip
    return ours | {key: str(value) for key, value in named.items()}
