"""A job's config is composed once: Hydra's grid composes every job to see whether it is legal, its launcher once more."""

from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig


class Once:
    """Hydra's config loader, whose config for a job is handed out twice."""

    def __init__(self, loader: ConfigLoader) -> None:
        self.loader = loader
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        job = tuple(sweep_overrides)
        if job in self.composed:
            return self.composed.pop(job)
        self.composed[job] = self.loader.load_sweep_config(master_config, list(sweep_overrides))
        return self.composed[job]
