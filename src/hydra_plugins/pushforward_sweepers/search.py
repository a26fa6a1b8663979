"""`hydra/sweeper=pushforward`: a grid of what the command line lists, or, with study=NAME, a search."""

from collections.abc import Mapping
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.utils import configure_log
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

ConfigStore.instance().store(
    group="hydra/sweeper",
    name="pushforward",
    node={
        "_target_": "hydra_plugins.pushforward_sweepers.search.GridOrSearch",
        "max_batch_size": None,  # jobs of a grid that are handed to the launcher at once; null: all
        "params": None,  # {key: values} of a grid, as an experiment may have it
    },
    provider="pushforward",
)


class GridOrSearch(Sweeper):
    """Hydra's own grid where there is no study."""

    def __init__(self, max_batch_size: int | None = None, params: Mapping[str, str] | None = None) -> None:
        self.params = dict(params or {})
        self.grid = BasicSweeper(max_batch_size=max_batch_size, params=self.params)
        self.how: dict[str, Any] = {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.how = {"hydra_context": hydra_context, "task_function": task_function, "config": config}

    def sweep(self, arguments: list[str]) -> Any:
        config: DictConfig = self.how["config"]
        if config.get("study") is None:
            from pushforward.errors import PushforwardError
            from pushforward.sweep.grid import check_models, check_size

            loader, asked = self.how["hydra_context"].config_loader, [*self.listed(), *arguments]
            check_size(loader, asked)
            self.grid.setup(**self.how)
            try:
                return self.grid.sweep(arguments)
            except PushforwardError:
                check_models(
                    loader, config, asked
                )  # where it is a key that some of the models do not have, that is said
                raise
        from pushforward.errors import PushforwardError
        from pushforward.sweep.search.trial_config import run_study

        if self.params:
            raise PushforwardError(
                f"study=… beside a grid over {', '.join(self.params)}, which an experiment sets: leave one of them out"
            )
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        return run_study(self.how["hydra_context"].config_loader, config, arguments)

    def listed(self) -> list[str]:
        """Return the grid that an experiment sets, as overrides."""
        return [f"{key}={values}" for key, values in self.params.items()]
