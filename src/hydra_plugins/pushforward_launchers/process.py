"""`hydra/launcher=process`: one process a job, so that no job takes another with it."""

from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from pushforward.sweep.base_launcher import FreezingLauncher

ConfigStore.instance().store(
    group="hydra/launcher",
    name="process",
    node={
        "_target_": "hydra_plugins.pushforward_launchers.process.ProcessLauncher",
        "parallel": None,  # jobs at once; null: one a core on the CPU, one a device elsewhere
        "warm": True,  # fork jobs from a process that has imported what they need
        "fail_fast": False,  # one failure: start no other, and have the running ones checkpoint and stop
        "memory_gb": None,  # at most so much for each process of a job
    },
    provider="pushforward",
)


class ProcessLauncher(FreezingLauncher):
    """Runs the jobs on this machine, `parallel` at a time, cores divided among them."""

    def __init__(
        self,
        parallel: int | None = None,
        warm: bool = True,
        fail_fast: bool = False,
        memory_gb: float | None = None,
    ) -> None:
        self.parallel, self.warm, self.fail_fast, self.memory_gb = parallel, warm, fail_fast, memory_gb

    def prepare(self, master: dict[str, Any]) -> None:
        from pushforward.sweep.local.forkserver_client import shared, targets

        shared(self.warm, sorted(targets(master)))

    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        from pushforward.sweep.local.process_pool import run_jobs

        return run_jobs(frozen, overrides, folder, self.parallel, self.warm, self.fail_fast, self.memory_gb)
