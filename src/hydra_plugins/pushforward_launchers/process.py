"""`hydra/launcher=process`: one process a job, so that no job takes another with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

ConfigStore.instance().store(
    group="hydra/launcher",
    name="process",
    node={
        "_target_": "hydra_plugins.pushforward_launchers.process.ProcessLauncher",
        "parallel": None,  # jobs at once; null: one a core on the CPU, one a device elsewhere
    },
    provider="pushforward",
)


class ProcessLauncher(Launcher):
    """Freezes every job's config first, then runs the jobs, `parallel` at a time, cores divided among them."""

    def __init__(self, parallel: int | None = None) -> None:
        self.parallel = parallel
        self.config: DictConfig
        self.hydra_context: HydraContext
        self.task_function: TaskFunction

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context, self.task_function = config, hydra_context, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from pushforward import config
        from pushforward.sweep.pool import run_jobs

        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        folder = Path(str(self.config.hydra.sweep.dir))
        folder.mkdir(parents=True, exist_ok=True)
        frozen: list[dict[str, Any]] = []
        configs = []
        for number, overrides in enumerate(job_overrides):
            cfg = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
            with open_dict(cfg):
                cfg.hydra.job.id = f"{initial_job_idx + number}"
                cfg.hydra.job.num = initial_job_idx + number
            choices = dict(cfg.hydra.runtime.choices)
            plain = OmegaConf.masked_copy(cfg, [str(k) for k in cfg if k != "hydra"])
            state = Singleton.get_state()
            frozen.append(config.freeze(plain, choices))
            Singleton.set_state(state)
            configs.append(cfg)
        codes = run_jobs(frozen, [" ".join(filter_overrides(list(o))) for o in job_overrides], folder, self.parallel)
        returns = []
        for cfg, overrides, code in zip(configs, job_overrides, codes, strict=True):
            done = JobReturn(overrides=list(overrides), cfg=cfg)
            done.status, done.return_value = JobStatus.COMPLETED, code
            returns.append(done)
        return returns
