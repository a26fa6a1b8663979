"""Compose configs by Hydra's loader, from the package's tree and a person's own folder. Imports no torch.

Nothing of Hydra's that is global is changed for longer than it lasts: it works inside another Hydra application, and in
threads.
"""

import copy
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from pushforward import config, config_errors
from pushforward.allowed_targets import refuse_hydras_own
from pushforward.config_files import check_file, circle
from pushforward.errors import PushforwardError

ROOT = "train"
"""The name of the config that everything is composed from."""
TURN = threading.RLock()
"""Hydra's singletons are for one thread at a time."""


PARSED: dict[tuple[Any, ...], ConfigResult | None] = {}
"""Config files as Hydra reads them, by path, time of change, size and inode: parsing takes a third of composing."""


class OwnFiles(FileConfigSource):
    """A person's own config files: each is checked before Hydra reads it."""

    def load_config(self, config_path: str) -> ConfigResult:
        path = Path(os.path.realpath(Path(self.path) / self._normalize_file_name(config_path)))
        if path.exists():
            check_file(path)
        return super().load_config(config_path)


class Repository(ConfigRepository):
    """The places in which config files are found."""

    def initialize_sources(self, config_search_path: ConfigSearchPath) -> None:
        super().initialize_sources(config_search_path)
        self.sources = [
            OwnFiles(source.provider, source.path)
            if source.scheme() == "file" and source.provider != "main"
            else source
            for source in self.sources
        ]

    def load_config(self, config_path: str) -> ConfigResult | None:
        source = self._find_object_source(config_path, ObjectType.CONFIG)
        try:
            if source is None or source.scheme() not in ("file", "pkg"):
                return super().load_config(config_path)
            key: tuple[Any, ...] = (source.path, config_path)
            if source.scheme() == "file":
                there = Path(source.path, f"{config_path.removesuffix('.yaml')}.yaml").stat()
                key += (there.st_mtime_ns, there.st_size, there.st_ino)
            if key not in PARSED:
                PARSED[key] = super().load_config(config_path)
            return copy.deepcopy(PARSED[key])
        except PushforwardError:
            raise
        except Exception as error:  # a package or a defaults list that is none
            if not isinstance(source, OwnFiles):
                raise
            raise PushforwardError(f"{Path(source.path) / config_path}.yaml: {config_errors.explain(error)}") from None


class Loader(ConfigLoaderImpl):
    """Hydra's loader. Raises PushforwardError, in one line, for whatever cannot be composed."""

    def __init__(self, config_dir: Path | None = None) -> None:
        config.register()
        self.folder = None if config_dir is None else Path(os.path.abspath(config_dir))  # noqa: PTH100 (links stay)
        if self.folder is not None and not self.folder.is_dir():
            raise PushforwardError(f"--config-dir {config_dir}: there is no such folder")
        path = ConfigSearchPathImpl()
        path.append("hydra", "pkg://hydra.conf")
        path.append("main", f"file://{config.conf_dir()}")
        if self.folder is not None:
            path.append("command-line", f"file://{self.folder}")
        path.append("schema", "structured://")
        self.config_search_path = path
        with hydras_own():
            Plugins.instance()  # where config sources make themselves known
            self.repository = Repository(path)

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        try:
            with hydras_own():
                cfg = super().load_configuration(config_name, overrides, run_mode, from_shell, validate_sweep_overrides)
            named = OmegaConf.masked_copy(cfg.hydra, ["callbacks", "job_logging", "hydra_logging"])
            refuse_hydras_own(OmegaConf.to_container(named, resolve=False))  # type: ignore[arg-type]
            return cfg
        except PushforwardError:
            raise
        except RecursionError:
            raise PushforwardError(self.without_end()) from None
        except Exception as error:  # Hydra raises what its parts raise: ValueError, AttributeError, AssertionError, …
            raise PushforwardError(config_errors.explain(error, self.without_errors(overrides))) from error

    def without_end(self) -> str:
        """Return what is to be said of defaults lists that lead back to themselves."""
        for file in sorted(self.folder.rglob("*.yaml")) if self.folder else ():
            name = file.relative_to(self.folder).with_suffix("").as_posix()  # type: ignore[arg-type]
            if found := circle(self.folder, name):  # type: ignore[arg-type]
                return f"{file}: its defaults lists lead in a circle: {' → '.join(found)}"
        return "the config refers to itself without end: look at its defaults lists and at ${…}"

    def without_errors(self, overrides: list[str]) -> dict[str, Any]:
        """Return what composes of overrides, what is refused left out: for naming what was meant."""
        choices = [a for a in overrides if "=" in a and "." not in a.split("=")[0] and a[0] not in "-+~"]
        data = [a for a in overrides if a.startswith("data.source.path=")]
        models = [c for c in choices if c.startswith("model=")]
        for kept in ([*choices, *data], models, []):
            try:
                with hydras_own():
                    cfg = super().load_configuration(ROOT, [k.split(",")[0] for k in kept], RunMode.RUN)
                found: Any = OmegaConf.to_container(cfg, resolve=False)
                return {key: value for key, value in found.items() if key != "hydra"}
            except Exception:
                continue
        return {}


@contextmanager
def hydras_own() -> Iterator[None]:
    """Within it, this thread alone uses Hydra, and Hydra behaves as in 1.3 whatever another application in it has set."""
    with TURN:
        before, choices_of = version.VersionBase.instance().version_base, defaults_list._create_interpolation_map
        version.setbase("1.3")

        def where_needed(overrides: Any, defaults: list[Any], self_added: bool) -> DictConfig | None:
            if any(default.is_interpolation() for default in defaults):
                return choices_of(overrides, defaults, self_added)
            return None

        # it makes a config of all choices for each file that is read, for interpolations that hardly any file has
        defaults_list._create_interpolation_map = where_needed  # type: ignore[assignment]
        try:
            yield
        finally:
            version.VersionBase.instance().version_base = before
            defaults_list._create_interpolation_map = choices_of


def compose(overrides: list[str], config_dir: Path | None = None) -> dict[str, Any]:
    """Return the frozen config of these overrides; config_dir: a person's own groups beside ours.

    Raises PushforwardError like the command line.
    """
    loader = Loader(config_dir)
    return frozen(loader.load_configuration(ROOT, overrides, RunMode.RUN, from_shell=False))


def interpolations(cfg: DictConfig) -> list[str]:
    """Return what stands between ${ and } in a config, the node `hydra` aside."""
    plain: Any = OmegaConf.to_container(cfg, resolve=False)
    plain.pop("hydra", None)
    return re.findall(r"\$\{([^}]*)", json.dumps(plain, default=str))


def frozen(cfg: DictConfig) -> dict[str, Any]:
    """Return the frozen config of a composed one, without the node `hydra` that it was composed with."""
    plain = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    try:
        return config.freeze(plain, dict(cfg.hydra.runtime.choices))
    except config_errors.REFUSALS as error:
        raise PushforwardError(config_errors.explain(error, OmegaConf.to_container(plain, resolve=False))) from None  # type: ignore[arg-type]
