"""`hydra/launcher=process`: one process a job, so that no job takes another with it."""

from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from pushforward.sweep.frozen import FreezingLauncher

ConfigStore.instance().store(
    group="hydra/launcher",
    name="process",
    node={
        "_target_": "hydra_plugins.pushforward_launchers.process.ProcessLauncher",
        "parallel": None,  # jobs at once; null: one a core on the CPU, one a device elsewhere
    },
    provider="pushforward",
)


class ProcessLauncher(FreezingLauncher):
    """Runs the jobs on this machine, `parallel` at a time, cores divided among them."""

    def __init__(self, parallel: int | None = None) -> None:
        self.parallel = parallel

    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        from pushforward.sweep.pool import run_jobs

        return run_jobs(frozen, overrides, folder, self.parallel)
