"""The base of all launchers: every job's config is frozen at launch, so editing YAML while a sweep runs changes nothing."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from pushforward import composition, data_identity, run_identity
from pushforward.sweep import plan, sweep_record
from pushforward.sweep.compose_cache import Once
from pushforward.sweep.wandb_table import mirror


class FreezingLauncher(Launcher):
    """A launcher of Hydra's that is handed frozen configs: the plugins in `hydra_plugins` say where they run."""

    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction
    parallel: int | None = None
    """Jobs at once, where the launcher is told a number."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.parallel: int | None = settings.get("parallel")

    @abstractmethod
    def run_jobs(self, frozen: list[dict[str, Any]], overrides: list[str], folder: Path) -> list[int]:
        """Run what is not finished and says how it ended; folder: the sweep's own. Returns an exit code for each job."""

    def prepare(self, master: dict[str, Any]) -> None:
        """The work that can begin while the jobs' configs are composed; master: the config before the sweep."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context, self.task_function = config, hydra_context, task_function
        if not isinstance(hydra_context.config_loader, Once):
            hydra_context.config_loader = Once(hydra_context.config_loader)  # type: ignore[assignment]

        if not plan.ASKED.get() and config.get("study") is None:
            plain = OmegaConf.to_container(config, resolve=False)
            self.prepare({str(key): value for key, value in dict(plain).items() if key != "hydra"})  # type: ignore[arg-type]

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        folder = Path(str(self.config.hydra.sweep.dir))
        folder.mkdir(parents=True, exist_ok=True)
        configs, frozen = [], []
        with data_identity.looked_at_once():
            for number, overrides in enumerate(job_overrides, initial_job_idx):
                cfg = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
                with open_dict(cfg):
                    cfg.hydra.job.id, cfg.hydra.job.num = f"{number}", number
                configs.append(cfg)
                frozen.append(composition.frozen(cfg))
        asked = [list(filter_overrides(list(o))) for o in job_overrides]
        common = set(asked[0]).intersection(*asked) if len(asked) > 1 else set()
        said = [" ".join(part for part in job if part not in common) for job in asked]
        several = len({run_identity.run_id(one) for one in frozen})
        if unused := run_identity.unused(frozen, asked):
            same = f"; {len(frozen)} jobs are {several} run{'s' * (several > 1)}" if several < len(frozen) else ""
            print(unused + same, flush=True)
        if plan.ASKED.get():
            codes = plan.show(frozen, said, self.parallel)
        else:
            with sweep_record.recorded(folder, frozen, asked, self.parallel) as codes:
                codes += self.run_jobs(frozen, said, folder)
            mirror(folder, frozen, asked, codes)
        returns = []
        for cfg, overrides, code in zip(configs, job_overrides, codes, strict=True):
            done = JobReturn(overrides=list(overrides), cfg=cfg)
            done.status, done.return_value = JobStatus.COMPLETED, code
            returns.append(done)
        return returns
