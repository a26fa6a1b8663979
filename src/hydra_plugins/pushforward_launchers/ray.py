"""`hydra/launcher=ray`: the jobs of a sweep on a Ray cluster (`pip install 'pushforward[ray]'`).

    pushforward train -m hydra/launcher=ray hydra.launcher.address=auto model=vae,gan seed=0..4 trainer=gpu

Without an address Ray is started on this machine, and ends with the sweep. Each job is one task of Ray's, in a process of
its own; Ray hands out cores and GPUs (`CUDA_VISIBLE_DEVICES`). A job with several devices runs on one node. The command
waits; Ctrl-C checkpoints the running jobs. `outputs/` must be on a file system that all nodes share, at the same path.
Neither a dashboard is started nor a usage report sent.
"""

from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from pushforward.sweep.base_launcher import FreezingLauncher

ConfigStore.instance().store(
    group="hydra/launcher",
    name="ray",
    node={
        "_target_": "hydra_plugins.pushforward_launchers.ray.RayLauncher",
        "_convert_": "all",
        "address": None,  # of the cluster: auto, HOST:PORT; null: start Ray here
        "cores": None,  # cores that a Ray started here hands out; null: all
        "num_cpus": None,  # cores of a job; null: one for each of its threads
        "num_gpus": None,  # GPUs of a job, 0.5 shares one; null: trainer.devices where the trainer is on GPUs, else none
    },
    provider="pushforward",
)


class RayLauncher(FreezingLauncher):
    """Runs the jobs on a Ray cluster, as many at a time as it has room for."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        from pushforward.sweep.cluster.ray import run_jobs

        return run_jobs(frozen, overrides, folder, self.settings)
