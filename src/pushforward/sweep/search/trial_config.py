"""The frozen config of a proposal. All that is read is read at the start: editing YAML while a search runs changes nothing."""

import copy
import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from pushforward import composition, run_identity
from pushforward.errors import PushforwardError
from pushforward.runs import outputs
from pushforward.runs.sweep_folders import read_study
from pushforward.sweep import plan, sweep_record
from pushforward.sweep.jobs import Job
from pushforward.sweep.search.search_space import Dimension
from pushforward.sweep.search.study_config import Settings, settings

BATCH = 8
"""Trials asked for together, for each process, where they are trained as one."""
MOST = 256
"""Combinations of groups' options that a space may have."""


class Composer:
    """Overrides of a command line and a space -> a proposal's frozen config, as the same command line would give it.

    Groups that are searched are composed once for every combination; keys are set before interpolations are resolved.
    Raises what Hydra raises, before any job, where a key or an option does not exist.
    """

    def __init__(
        self, loader: ConfigLoader, master: DictConfig, overrides: Sequence[str], space: Sequence[Dimension]
    ) -> None:
        self.space = space
        self.groups = [d for d in space if is_group(loader, d.key)]
        self.keys = [d for d in space if d not in self.groups]
        _alone(overrides, [d.key for d in space])
        if math.prod(len(d.grid()) for d in self.groups) > MOST:
            raise PushforwardError(
                f"study.space: its groups have more than {MOST} combinations; search fewer groups at once"
            )
        for d in self.groups:
            if d.kind != "choice":
                raise PushforwardError(f"study.space.{d.key}: it is a group; write {{choice: [option, option]}}")
        self.base = composition.frozen(loader.load_sweep_config(master, list(overrides)))
        self.composed: dict[tuple[Any, ...], DictConfig] = {}
        for options in itertools.product(*(d.values for d in self.groups)):
            chosen = [f"{d.key}={option}" for d, option in zip(self.groups, options, strict=True)]
            self.composed[options] = loader.load_sweep_config(master, [*overrides, *chosen])
        self.corners = [
            self({**dict(zip((d.key for d in self.groups), options, strict=True)), **_corner(self.keys, end)})
            for options in self.composed
            for end in (0.0, 1 - 1e-9)
        ]
        """Frozen configs at both ends of every range, for each combination of groups: what is to be rehearsed."""

    def __call__(self, params: dict[str, Any]) -> dict[str, Any]:
        own = copy.deepcopy(self.composed[tuple(params[d.key] for d in self.groups)])
        for d in self.keys:
            OmegaConf.update(own, d.key, params[d.key], merge=True)
        return composition.frozen(own)


def _corner(dimensions: Sequence[Dimension], end: float) -> dict[str, Any]:
    return {d.key: d.value(d.at(end)) for d in dimensions}


def is_group(loader: ConfigLoader, key: str) -> bool:
    """Whether a key of the space chooses an option of a config group."""
    return "@" in key or "/" in key or ("." not in key and bool(loader.get_group_options(key)))


def _alone(overrides: Sequence[str], searched: Sequence[str]) -> None:
    """Refuse overrides with several values, or for a key that is searched."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element().lstrip("+~")
        if override.is_sweep_override():
            raise PushforwardError(
                f"{override.input_line}: a search takes one value of a key; search it, "
                f"as study.space has {{choice: [a, b]}}, or leave out study for a grid"
            )
        if key in searched:
            raise PushforwardError(
                f"{override.input_line}: the study searches {key}; leave the override out, or name it in no space"
            )


def run_study(loader: ConfigLoader, master: DictConfig, overrides: Sequence[str]) -> list[int]:
    """Run the search that `study` in the master config describes, to its end; its pictures and best trials are written.

    Returns the exit codes of this process's trials. Raises PushforwardError before any job where something is wrong.
    """
    choices = dict(master.hydra.runtime.choices)
    launcher = choices.get("hydra/launcher")
    if launcher not in ("process", "basic", "vectorized"):
        raise PushforwardError(
            f"hydra/launcher={launcher}: a search starts its runs itself, in processes of this machine; on a cluster "
            f"start the same search in several jobs, with one PUSHFORWARD_OUTPUTS: they share its trials"
        )
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise PushforwardError("study=… needs optuna: pip install 'pushforward[search]'") from None
    from pushforward.sweep import devices
    from pushforward.sweep.local import stacking
    from pushforward.sweep.local.process_pool import Pool, rehearse, server_for
    from pushforward.sweep.search.study import Study
    from pushforward.sweep.search.study_report import report
    from pushforward.sweep.search.trials import Search

    node = OmegaConf.to_container(master.study, resolve=True)
    how = {"warm": True, "memory_gb": None, "parallel": None, "replicas": 1, **master.hydra.launcher}
    batch = how["parallel"]
    if launcher == "vectorized":
        batch = (how["replicas"] or BATCH) * (how["parallel"] or devices.cores())
    checked = settings(node, str(choices.get("study") or "study"), parallel=batch)
    composer = Composer(loader, master, overrides, checked.space)
    checked.definition = {**checked.definition, "base": run_identity.identity(composer.base)}
    measured = [o.source for o in checked.objectives if o.source.startswith("test/")]
    if measured and "_target_" not in json.dumps(composer.base.get("metrics")):
        raise PushforwardError(f"study.metric={measured[0]}: metrics=none measures nothing; say metrics=default")
    study = Study(checked, outputs() / "studies" / checked.name)
    if plan.ASKED.get():
        study.begun_alike()
        rehearse(server_for([composer.base]), composer.corners)
        return planned(checked, composer.base)
    names = devices.gpus() if devices.on_gpu(composer.base) else []
    stacked = launcher == "vectorized"
    at_once = devices.at_once([composer.base], how["parallel"], names) if stacked else checked.parallel
    pool = Pool([], at_once, devices.Devices(names), how["warm"], False, how["memory_gb"])

    def arrange(jobs: list[Job]) -> None:
        stacking.arrange(pool.server(), jobs, at_once, how["replicas"], study.folder)

    with study, sweep_record.grouped(checked.name):
        print(f"study {checked.name}: {len(study.trials())} of {study.total} trials there; {study.folder}", flush=True)
        before = lambda: rehearse(pool.server(), composer.corners)  # noqa: E731
        codes = Search(study, composer, pool, before, arrange if stacked else None).run()
        for line in report(study):
            print(line, flush=True)
    return codes


def planned(asked: Settings, base: dict[str, Any]) -> list[int]:
    """Print what a search would do; nothing is started or written."""
    have = read_study(outputs() / "studies" / asked.name)
    ended = sum(have.get(key, 0) for key in ("complete", "pruned", "failed"))
    left = max(0, asked.trials - ended)
    time = plan.trials_time(base, left, asked.parallel) if left else ""
    print(f"study {asked.name}: {ended} of {asked.trials} trials done, {left} to run{time}", flush=True)
    print(f"{asked.parallel} at a time here, proposed by {asked.sampler}, over", flush=True)
    for d in asked.space:
        range_ = ", ".join(map(str, d.values)) if d.kind == "choice" else f"{d.low:g} to {d.high:g}"
        print(f"  {d.key:<24} {d.kind:<8} {range_}", flush=True)
    return []
