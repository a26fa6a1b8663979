"""`hydra/launcher=slurm`: the jobs of a sweep on a SLURM cluster, by submitit (`pip install 'pushforward[slurm]'`).

    pushforward train -m hydra/launcher=slurm hydra.launcher.partition=gpu model=vae,gan seed=0..4 trainer=gpu

The command returns once the jobs are in the queue, and prints their ids and their logs' paths; `pushforward status`
shows their state, and with `hydra.launcher.wait=true` the command waits and sums up. What is finished, or in the queue
already, is not submitted. A job has one task a device (`trainer.devices`) on `trainer.num_nodes` nodes. A job that reaches
its time limit or is pre-empted checkpoints, is queued again and resumes. `outputs/` must be on a file system that the nodes
share. Without a cluster, `hydra.launcher.cluster=local` tries the same out on this machine, all jobs at once.
"""

from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from pushforward.sweep.base_launcher import FreezingLauncher

ConfigStore.instance().store(
    group="hydra/launcher",
    name="slurm",
    node={
        "_target_": "hydra_plugins.pushforward_launchers.slurm.SlurmLauncher",
        "_convert_": "all",
        "cluster": None,  # null: SLURM; local: processes of this machine; debug: one after another, in the terminal
        "partition": None,  # null: the cluster's default
        "timeout_min": 240,  # a job's time limit; when it is reached the job is queued again
        "timeouts": 100,  # how often
        "cpus_per_task": 4,  # cores a device; a run's threads, where trainer.threads is null
        "gpus_per_node": None,  # null: trainer.devices where the trainer is on GPUs, else none
        "mem_gb": None,  # a node; null: the cluster's default
        "array_parallelism": 256,  # jobs at once
        "setup": [],  # shell lines before each job, such as 'module load cuda'
        "signal_delay_s": 90,  # warning before the time limit: what a run has for its checkpoint
        "sbatch": {},  # more of submitit's parameters: +hydra.launcher.sbatch.account=NAME, qos, constraint, comment …
        "wait": False,  # true: follow the jobs and sum up; the exit code says whether all finished
    },
    provider="pushforward",
)


class SlurmLauncher(FreezingLauncher):
    """Submits the jobs; by default the command ends when they are in the queue."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        from pushforward.sweep.cluster.slurm import run_jobs

        return run_jobs(frozen, overrides, folder, self.settings)
