"""Jobs' configs, composed as seldom as can be: Hydra composes each job twice, and jobs that differ in values afresh."""

import copy
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException


class Once:
    """Hydra's config loader. A job's config is handed out twice; of jobs that choose the same options one is composed.

    Hydra sets values after it has composed the groups; so does this, in a copy.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self.loader = loader
        self.composed: dict[tuple[str, ...], DictConfig] = {}
        self.bases: dict[tuple[str, ...], DictConfig] = {}
        self.parsed: dict[str, Override] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        job = tuple(sweep_overrides)
        if job in self.composed:
            return self.composed.pop(job)
        self.composed[job] = self._compose(master_config, list(sweep_overrides))
        return self.composed[job]

    def _compose(self, master: DictConfig, overrides: list[str]) -> DictConfig:
        values, others = self.split(overrides)
        base = tuple(others)
        if not values:
            return self.loader.load_sweep_config(master, overrides)
        try:
            if base not in self.bases:
                self.bases[base] = self.loader.load_sweep_config(master, others)
            cfg = copy.deepcopy(self.bases[base])
            for key, value in values:
                OmegaConf.update(cfg, key, value, merge=True)
            with open_dict(cfg):
                cfg.hydra.overrides.task = overrides
            return cfg
        except OmegaConfBaseException:  # Hydra says what is wrong with it
            return self.loader.load_sweep_config(master, overrides)

    def split(self, overrides: list[str]) -> tuple[list[tuple[str, Any]], list[str]]:
        """Return the values that are set, with their keys, in order; and the overrides that choose options, add or delete."""
        values: list[tuple[str, Any]] = []
        others: list[str] = []
        changed: list[str] = []
        for text in overrides:
            if text not in self.parsed:
                self.parsed[text] = OverridesParser.create().parse_override(text)
            override = self.parsed[text]
            key, value = override.key_or_group, override.value()
            added = override.is_add() or override.is_delete()
            plain = override.package is None and not added and not key.startswith("hydra.")
            if plain and ("." in key or isinstance(value, int | float)):
                values.append((key, value))
            else:
                others.append(text)
                changed += [f"{key}."] * (added or not isinstance(value, str))
        # Hydra adds, deletes and sets in the order of the command line
        keys = [f"{key}." for key, _ in values]
        if any(key.startswith(other) or other.startswith(key) for key in keys for other in changed):
            return [], overrides
        return values, others
