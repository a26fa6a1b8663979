"""`hydra/launcher=basic`: one job after another in one process, for a debugger. It takes the place of Hydra's own."""

from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from pushforward.sweep.base_launcher import FreezingLauncher

ConfigStore.instance().store(
    group="hydra/launcher",
    name="basic",
    node={
        "_target_": "hydra_plugins.pushforward_launchers.basic.InlineLauncher",
        "fail_fast": False,  # one failure: start no other
    },
    provider="pushforward",
)


class InlineLauncher(FreezingLauncher):
    """Run the jobs in this process: finished ones are skipped, stopped ones resume, and a summary lists how each ended."""

    parallel = 1

    def __init__(self, fail_fast: bool = False) -> None:
        self.fail_fast = fail_fast

    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        from pushforward.sweep.local.inline import run_jobs

        return run_jobs(frozen, overrides, self.fail_fast)
