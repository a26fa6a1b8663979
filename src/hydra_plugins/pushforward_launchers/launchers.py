"""Hydra's launchers of pushforward, options of `hydra/launcher`: where the jobs of a sweep run.

Hydra 1.3 finds plugins only below `hydra_plugins`.
"""

from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from pushforward.sweep.base_launcher import FreezingLauncher


def option(name: str, **settings: Any) -> Any:
    """Register a launcher as an option of `hydra/launcher`, with what may be set of it and the defaults."""

    def register(launcher: type[FreezingLauncher]) -> type[FreezingLauncher]:
        node = {"_target_": f"{launcher.__module__}.{launcher.__name__}", "_convert_": "all", **settings}
        ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="pushforward")
        LAUNCHERS[name] = launcher
        return launcher

    return register


LAUNCHERS: dict[str, type[FreezingLauncher]] = {}
"""By the name of the option. The first sentence of a docstring is what `pushforward list launchers` says."""


@option(
    "basic",  # it takes the place of Hydra's own
    fail_fast=False,  # one failure: start no other
)
class InlineLauncher(FreezingLauncher):
    """One job after another in one process, for a debugger."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.parallel = 1

    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        from pushforward.sweep.local.inline import run_jobs

        return run_jobs(frozen, overrides, **self.settings)


@option(
    "process",
    parallel=None,  # jobs at once; null: one a core on the CPU, one a device elsewhere
    warm=True,  # fork jobs from a process that has imported what they need
    fail_fast=False,  # one failure: start no other, and have the running ones checkpoint and stop
    memory_gb=None,  # at most so much for each process of a job
)
class ProcessLauncher(FreezingLauncher):
    """One process a job, so that no job takes another with it."""

    def prepare(self, master: dict[str, Any]) -> None:
        from pushforward.sweep.local.forkserver_client import shared, targets

        shared(self.settings["warm"], sorted(targets(master)))

    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        from pushforward.sweep.local.process_pool import run_jobs

        return run_jobs(frozen, overrides, folder, **self.settings)


@option(
    "vectorized",
    parallel=None,  # processes at once; null: one a core on the CPU, one a device elsewhere
    replicas=None,  # at most so many runs as one; null: as many as are fastest, by measuring, and fit in memory
    warm=True,  # fork processes from one that has imported what they need
    fail_fast=False,  # one failure: start no other, and have the running ones checkpoint and stop
    memory_gb=None,  # at most so much for each process
)
class VectorizedLauncher(ProcessLauncher):
    """Jobs that differ in seed and numbers alone are trained as one stacked model.

    The rest runs one process a job, and the launcher says why.
    """


@option(
    "ray",
    address=None,  # of the cluster: auto, HOST:PORT; null: start Ray here
    cores=None,  # cores that a Ray started here hands out; null: all
    num_cpus=None,  # cores of a job; null: one for each of its threads
    num_gpus=None,  # GPUs of a job, 0.5 shares one; null: trainer.devices where the trainer is on GPUs, else none
)
class RayLauncher(FreezingLauncher):
    """The jobs of a sweep on a Ray cluster (`pip install 'pushforward[ray]'`).

    Without an address Ray is started on this machine, and ends with the sweep. Each job is one task of Ray's, in a process
    of its own, on one node; Ray hands out cores and GPUs. `outputs/` must be on a file system that all nodes share.
    """

    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        from pushforward.sweep.cluster.ray import run_jobs

        return run_jobs(frozen, overrides, folder, self.settings)


@option(
    "slurm",
    cluster=None,  # null: SLURM; local: processes of this machine; debug: one after another, in the terminal
    partition=None,  # null: the cluster's default
    timeout_min=240,  # a job's time limit; when it is reached the job is queued again
    timeouts=100,  # how often
    cpus_per_task=4,  # cores a device; a run's threads, where trainer.threads is null
    gpus_per_node=None,  # null: trainer.devices where the trainer is on GPUs, else none
    mem_gb=None,  # a node; null: the cluster's default
    array_parallelism=256,  # jobs at once
    setup=[],  # shell lines before each job, such as 'module load cuda'
    signal_delay_s=90,  # warning before the time limit: what a run has for its checkpoint
    sbatch={},  # more of submitit's parameters: +hydra.launcher.sbatch.account=NAME, qos, constraint, comment …
    wait=False,  # true: follow the jobs and sum up; the exit code tells whether all finished
)
class SlurmLauncher(FreezingLauncher):
    """The jobs of a sweep on a SLURM cluster, by submitit (`pip install 'pushforward[slurm]'`).

    The command ends when the jobs are in the queue; `pushforward status` tells how they stand. A job has one task a device
    on `trainer.num_nodes` nodes; at its time limit, or pre-empted, it checkpoints, is queued again and resumes. `outputs/`
    must be on a file system that the nodes share.
    """

    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        from pushforward.sweep.cluster.slurm import run_jobs

        return run_jobs(frozen, overrides, folder, self.settings)
