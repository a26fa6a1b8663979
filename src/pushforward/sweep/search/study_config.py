"""The node `study` of the config, checked before anything is written. Imports no Optuna."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pushforward import config
from pushforward.atomic_files import name as checked_name
from pushforward.domains import keys_of, refusals
from pushforward.errors import PushforwardError, near
from pushforward.sweep.search.objective import CRITERION, Objective, objectives
from pushforward.sweep.search.search_space import Dimension, parse

SAMPLERS = ("tpe", "random", "grid", "qmc", "cmaes", "nsga2")
PRUNERS = ("median", "hyperband")


@dataclass
class Settings:
    """A search: what is varied, what is made better, how, and how often."""

    name: str
    trials: int
    space: list[Dimension]
    objectives: list[Objective]
    sampler: str = "tpe"
    sampler_options: Mapping[str, Any] = field(default_factory=dict)
    pruner: str | None = None
    pruner_options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    parallel: int = 1
    definition: Mapping[str, Any] = field(default_factory=dict)
    """The settings that all its trials share: a journal is of one space, one metric and one configuration."""


def settings(node: Any, name: str, base: str = "", parallel: int | None = None) -> Settings:
    """`study` as the config has it; name: of its YAML; base: identity of the configuration without what is searched.

    Raises PushforwardError in one line.
    """
    if not isinstance(node, Mapping):
        raise PushforwardError(f"study={node}: give it trials, a space and a metric; see conf/study")
    wrong = list(refusals("study", node, keys_of(config.Study), "there is no such key"))
    if wrong:
        raise PushforwardError("; ".join(wrong))
    given = {key: value for key, value in config.with_numbers(dict(node), config.Study).items() if value is not None}
    if "trials" not in given:
        raise PushforwardError("study.trials: say how many in all, such as study.trials=30")
    sampler = str(given.get("sampler", "tpe"))
    if sampler not in SAMPLERS:
        raise PushforwardError(f"study.sampler={sampler}: {near(sampler, list(SAMPLERS))}")
    pruner = None if given.get("pruner") in (None, "none") else str(given["pruner"])
    if pruner is not None and pruner not in PRUNERS:
        raise PushforwardError(f"study.pruner={pruner}: {near(pruner, [*PRUNERS, 'none'])}")
    for key in ("sampler_options", "pruner_options"):
        if not isinstance(given.get(key, {}), Mapping):
            raise PushforwardError(f"study.{key}={given[key]}: write {{name: value}}")
    space = parse(given.get("space"))
    metric = given.get("metric", CRITERION)
    wanted = objectives(metric, given.get("direction"))
    if pruner is not None and len(wanted) > 1:
        raise PushforwardError(
            f"study.pruner={pruner}: runs are pruned by one metric, not {len(wanted)}; say study.pruner=none"
        )
    return Settings(
        name=checked_name(str(given["name"]), "study.name") if "name" in given else name.replace("/", "_"),
        trials=given["trials"],
        space=space,
        objectives=wanted,
        sampler=sampler,
        sampler_options=given.get("sampler_options", {}),
        pruner=pruner,
        pruner_options=given.get("pruner_options", {}),
        seed=given.get("seed", 1),
        parallel=given.get("parallel") or parallel or 1,
        definition={
            "space": given["space"],
            "metric": [[o.name, o.source, "maximize" if o.maximize else "minimize"] for o in wanted],
            "base": base,
        },
    )
