"""Every number that a config can set has a domain, and a value outside it is refused in words."""

import importlib
import inspect
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
import torch
import yaml

from pushforward import config, domains
from pushforward.domains import Count, Decay, Domain, Natural, NonNegative, Positive, Share, fits, settled, wanted
from pushforward.schedules import Schedule
from pushforward.training.signatures import locate, nodes, settle, signature_of

CONF = config.conf_dir()
PARTS = ("objectives", "diffusion", "bottlenecks", "corruption", "schedules")
FROM_THE_RUN = {"in_shape", "in_features", "features", "foreach", "z", "shape", "n_classes"}
"""What is given to a component where it is built, and torch's switches."""


def targets() -> set[str]:
    """Every `_target_` of conf/."""
    files = list(CONF.rglob("*.yaml"))
    assert len(files) >= 90
    return {node["_target_"] for file in files for _, node in nodes(yaml.safe_load(file.read_text()) or {}, "")}


def constructors() -> set[str]:
    """Public components of the package that a YAML of one's own may name."""
    found = set()
    for part in PARTS:
        module = importlib.import_module(f"pushforward.{part}")
        for name, value in vars(module).items():
            public = inspect.isclass(value) and value.__module__.startswith(f"pushforward.{part}") and name[0] != "_"
            if public and not inspect.isabstract(value) and not issubclass(value, tuple):
                found.add(f"pushforward.{part}.{name}")
    return found


def bare(annotation: Any) -> bool:
    """Whether an annotation takes a number without saying which."""
    if get_origin(annotation) is Annotated:
        return not any(isinstance(part, Domain) for part in get_args(annotation)[1:])
    if get_origin(annotation) is Literal:
        return False
    return annotation in (int, float) or any(map(bare, get_args(annotation)))


def undomained() -> Iterator[str]:
    for target in sorted(targets()):
        for name, annotation in signature_of(locate(target)).known.items():
            if bare(annotation) and name not in FROM_THE_RUN:
                yield f"{target}: {name}"


def test_every_number_of_every_component_has_a_domain() -> None:
    assert len(targets()) >= 75
    assert list(undomained()) == []


def test_every_number_of_the_packages_public_components_has_a_domain() -> None:
    named = constructors()
    assert len(named) >= 30
    wrong = [
        f"{target}: {name}"
        for target in sorted(named)
        for name, annotation in signature_of(locate(target)).known.items()
        if bare(annotation) and name not in FROM_THE_RUN
    ]
    assert wrong == []


def test_every_number_in_conf_is_of_a_parameter_with_a_domain_and_in_it() -> None:
    """Numbers stand under a component's parameter, or under a key of the root's schema: none is free."""
    seen = 0
    for file in CONF.rglob("*.yaml"):
        for path, node in nodes(yaml.safe_load(file.read_text()) or {}, ""):
            known = signature_of(locate(node["_target_"])).known
            if file.parent.name == "model":  # where a recipe stands in tables: the root's row_order
                node.pop("order", None)
            for key, value in node.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    assert fits(value, known[key]), f"{file.name}: {path}.{key}={value}"
                    assert not fits(math.nan, known[key]) and not fits(math.inf, known[key]), (
                        f"{file.name}: {path}.{key}"
                    )
                    seen += 1
    assert seen >= 120


def schema_numbers(schema: type) -> Iterator[tuple[str, Any]]:
    for key, annotation in domains.keys_of(schema).items():
        inner = domains.schema_of(annotation)
        if inner:
            yield from ((f"{key}.{name}", kind) for name, kind in schema_numbers(inner))
        else:
            yield key, annotation


def test_every_number_of_the_root_has_a_domain() -> None:
    keys = dict(schema_numbers(config.Config)) | dict(schema_numbers(config.Metrics))
    assert len(keys) >= 40
    assert [key for key, annotation in keys.items() if bare(domains.meant(annotation))] == []


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (Count, [1, 5, 16.0, 1e2], [0, -3, 1.5, math.nan, math.inf, True, "16", None, 10**6000]),
        (Natural, [0, 3], [-1, 0.5]),
        (Positive, [1e-9, 3], [0, -0.0, -1, math.nan, math.inf, "fast", False]),
        (NonNegative, [0, 2.5], [-1e-9, math.nan, -math.inf]),
        (Share, [0, 1, 0.5], [-0.1, 1.1, math.nan]),
        (Decay, [0, 0.999], [1, 1.5, -1]),
        (Positive | None, [None, 1], [0]),
        (Natural | Decay, [0.1, 180, 180.0], [1.5, -1]),
        (tuple[Count, ...], [[], [32], [32.0, 16]], [[0], [1.5], 32, "32", [None], {"a": 1}]),
        (tuple[Decay, Decay], [[0.9, 0.999]], [[0.9], [0.9, 1.0], 0.9]),
        (Literal["static", "dynamic"] | None, ["static", None], ["both", 1, True]),
        (dict[str, Count], [{"a": 1}], [{"a": 0}, [1]]),
        (NonNegative | Schedule, [1, {"_target_": "pushforward.schedules.Cosine"}], [-1, "fast"]),
        (Annotated[Any, Count], [1], [0, "a"]),
        (Any, [1, None, "x", [1]], [math.nan]),
        (bool, [True], [1, "yes"]),
        (float, [1, 2.5], [math.nan, math.inf]),
        (str | Path, ["a"], [1]),
    ],
)
def test_fits(annotation: Any, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not fits(value, annotation)] == []
    assert [value for value in bad if fits(value, annotation)] == []
    assert wanted(annotation)


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (Count | None, "a whole number of at least 1 or null"),
        (Positive, "a number above 0"),
        (Decay, "a number from 0 and below 1"),
        (Share, "a number from 0 to 1"),
        (tuple[Count, ...], "a list, each a whole number of at least 1"),
    ],
)
def test_wanted(annotation: Any, said: str) -> None:
    assert wanted(annotation) == said


def test_whole_floats_become_ints_where_whole_numbers_are_meant() -> None:
    assert settled([32.0, 1e2], tuple[Count, ...]) == [32, 100]
    assert all(type(v) is int for v in settled([32.0], tuple[Count, ...]))
    assert type(settled(16.0, Count)) is int and type(settled(2.0, Positive)) is float
    assert type(settled(180.0, Natural | Decay)) is int and settled(0.1, Natural | Decay) == 0.1
    node = {"_target_": "pushforward.networks.Conv", "width": 16.0, "hidden": [32.0], "norm": "batch"}
    made = settle({"network": node})["network"]
    assert type(made["width"]) is int and type(made["hidden"][0]) is int


def test_torch_refuses_no_less_than_the_domains_of_its_optimisers() -> None:
    """A value that torch refuses is outside the domain here, so that it is refused when composing."""
    tried = 0
    for name, values in {
        "lr": [-1.0],
        "betas": [[1.0, 0.9], [-0.1, 0.9]],
        "eps": [-1e-3],
        "weight_decay": [-1.0],
    }.items():
        known = signature_of(torch.optim.Adam).known[name]
        for value in values:
            with pytest.raises(ValueError, match="Invalid"):
                torch.optim.Adam([torch.zeros(1)], **{name: value})
            assert not fits(value, known)
            tried += 1
    assert tried == 5
