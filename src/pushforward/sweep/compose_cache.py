"""Jobs' configs, composed as seldom as can be: Hydra composes each job twice, and jobs that differ in numbers afresh."""

import copy
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException


class Once:
    """Hydra's config loader. A job's config is handed out twice; of jobs that choose the same options one is composed.

    Hydra sets numbers after it has composed the groups; so does this, in a copy.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self.loader = loader
        self.composed: dict[tuple[str, ...], DictConfig] = {}
        self.bases: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        job = tuple(sweep_overrides)
        if job in self.composed:
            return self.composed.pop(job)
        self.composed[job] = self._compose(master_config, list(sweep_overrides))
        return self.composed[job]

    def _compose(self, master: DictConfig, overrides: list[str]) -> DictConfig:
        numbers, others = self.split(overrides)
        base = tuple(others)
        if not numbers:
            return self.loader.load_sweep_config(master, overrides)
        try:
            if base not in self.bases:
                self.bases[base] = self.loader.load_sweep_config(master, others)
            cfg = copy.deepcopy(self.bases[base])
            for key, value in numbers.items():
                OmegaConf.update(cfg, key, value, merge=True)
            with open_dict(cfg):
                cfg.hydra.overrides.task = overrides
            return cfg
        except OmegaConfBaseException:  # Hydra says what is wrong with it
            return self.loader.load_sweep_config(master, overrides)

    def split(self, overrides: list[str]) -> tuple[dict[str, float], list[str]]:
        """Numbers by their keys, and the overrides that are none, choose an option, or may replace what a number is in."""
        parsed = OverridesParser.create().parse_overrides(overrides)
        numbers: dict[str, float] = {}
        others: list[tuple[str, bool, str]] = []  # key, whether it chooses an option and no value, text
        for text, override in zip(overrides, parsed, strict=True):
            key, value = override.key_or_group, override.value()
            plain = override.package is None and not (override.is_add() or override.is_delete())
            if plain and isinstance(value, int | float) and not key.startswith("hydra.") and key not in numbers:
                numbers[key] = value
            else:
                others.append((key, isinstance(value, str) and "." not in key, text))
        for key in numbers:
            if any(key == k or (key.startswith(f"{k}.") and not option) for k, option, _ in others):
                return {}, overrides
        return numbers, [text for *_, text in others]
