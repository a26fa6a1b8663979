"""`hydra/launcher=vectorized`: jobs that differ in seed and numbers alone are trained as one stacked model."""

from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from pushforward.sweep.base_launcher import FreezingLauncher

ConfigStore.instance().store(
    group="hydra/launcher",
    name="vectorized",
    node={
        "_target_": "hydra_plugins.pushforward_launchers.vectorized.VectorizedLauncher",
        "parallel": None,  # processes at once; null: one a core on the CPU, one a device elsewhere
        "replicas": None,  # at most so many runs as one; null: as many as are fastest, by measuring, and fit in memory
        "warm": True,  # fork processes from one that has imported what they need
        "fail_fast": False,  # one failure: start no other, and have the running ones checkpoint and stop
        "memory_gb": None,  # at most so much for each process
    },
    provider="pushforward",
)


class VectorizedLauncher(FreezingLauncher):
    """Train the jobs that can be stacked, one process a stack; run the others one process a job, and print the reason."""

    def __init__(
        self,
        parallel: int | None = None,
        replicas: int | None = None,
        warm: bool = True,
        fail_fast: bool = False,
        memory_gb: float | None = None,
    ) -> None:
        self.parallel, self.replicas, self.warm = parallel, replicas, warm
        self.fail_fast, self.memory_gb = fail_fast, memory_gb

    def prepare(self, master: dict[str, Any]) -> None:
        from pushforward.sweep.local.forkserver_client import shared, targets

        shared(self.warm, sorted(targets(master)))

    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        from pushforward.sweep.local.process_pool import run_jobs

        return run_jobs(
            frozen, overrides, folder, self.parallel, self.warm, self.fail_fast, self.memory_gb, self.replicas
        )
