"""Every `_target_` of a config held against its constructor's signature before anything runs; all errors in one message."""

import functools
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_type_hints

import torch

from pushforward.allowed_targets import locate
from pushforward.domains import Decay, Natural, NonNegative, Positive, Real, Share, refusals, settled
from pushforward.errors import PushforwardError

SAME = ("seed", "tags", "retry", "choices")
"""Keys that jobs may differ in without anything else to check."""
RESERVED = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}
THEIRS: dict[str, dict[str, Any]] = {
    "torch.optim.": {
        "lr": Positive, "betas": tuple[Decay, Decay], "eps": NonNegative, "weight_decay": NonNegative,
        "momentum": NonNegative, "dampening": Share, "alpha": Decay, "lr_decay": NonNegative, "rho": Decay,
    },
    "pytorch_lightning.callbacks.": {
        "min_delta": NonNegative, "patience": Natural, "stopping_threshold": Real | None,
        "divergence_threshold": Real | None,
    },
}  # fmt: skip
"""Domains of what other libraries' components take, whose own annotations have none, by the beginning of their modules."""


def check_targets(frozen: Mapping[str, Any]) -> None:
    """Raises PushforwardError with every mistyped argument and value of the config's components, and what was meant."""
    check_jobs([frozen])


def check_jobs(jobs: Sequence[Mapping[str, Any]]) -> None:
    """`check_targets` of all jobs, in one message."""
    if errors := [error for job in distinct(jobs) for error in refused(job)]:
        raise PushforwardError("; ".join(dict.fromkeys(errors)))


def refused(frozen: Mapping[str, Any]) -> list[str]:
    """The errors in the components of a config."""
    groups = sorted(frozen.items(), key=lambda item: item[0] == "model")
    seen: set[str] = (
        set()
    )  # a model repeats what it takes from other groups: that is checked, and named, where it is set
    errors = list(untargeted((frozen.get("model") or {}).get("objective")))
    for path, node in nodes(dict(groups), ""):
        content = json.dumps(node, sort_keys=True, default=str)
        if content not in seen:
            errors += check(path, node)
        seen.add(content)
    return errors


def kind(job: Mapping[str, Any]) -> str:
    """A job's config as text, without what changes nothing about whether it can be trained."""
    return json.dumps({key: value for key, value in job.items() if key not in SAME}, sort_keys=True)


def distinct(jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The jobs that differ in more than what changes nothing about whether they can be trained, the first of each."""
    return list({kind(job): job for job in reversed(jobs)}.values())[::-1]


def untargeted(objective: Any, path: str = "model.objective") -> Iterator[str]:
    """Terms of an objective that say no class: what a mistyped name in `+model.objective.NAME.weight=…` makes."""
    terms = objective if isinstance(objective, dict) else {}
    whole = [name for name, term in terms.items() if isinstance(term, dict) and "_target_" in term]
    for name, term in terms.items():
        if isinstance(term, dict) and not whole and "weight" not in term:  # one objective for each player
            yield from untargeted(term, f"{path}.{name}")
        elif term is not None and name not in whole:
            yield (
                f"{path}.{name}: this model has no such term; it has {', '.join(whole)}; a new one needs "
                f"a _target_: '+{path}.{name}={{_target_: pushforward.objectives.KL, weight: 1}}'"
            )


def nodes(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every component below `node` with its dotted path."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield path, node
        for key, value in node.items():
            yield from nodes(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from nodes(value, f"{path}.{i}")


def check(path: str, node: dict[str, Any]) -> Iterator[str]:
    """The errors in one component."""
    try:
        target = locate(node["_target_"])
    except PushforwardError as error:
        yield f"{path}._target_={node['_target_']}: {error}"
        return
    if not callable(target):
        yield f"{path}._target_={node['_target_']}: it is a {type(target).__name__}, not a class or a function"
        return
    taken, name = signature_of(target), node["_target_"].rpartition(".")[2]
    given = {str(key): value for key, value in node.items() if key not in RESERVED}
    told = {key: value for key, value in given.items() if key in taken.known or not taken.any_other}
    yield from refusals(path, told, taken.known, f"{name} has no such argument")
    if not node.get("_partial_") and "_args_" not in node and path not in ("model", "logger"):  # theirs: from the run
        for key in sorted(taken.required - set(given)):
            yield f"{path}.{key}: {name} needs it and it is missing"


def taken_only(node: Any, path: str) -> tuple[Any, list[str]]:
    """A part of a config that was frozen before, without the arguments that its components no longer take, and their keys."""
    if isinstance(node, list):
        items = [taken_only(item, f"{path}.{i}") for i, item in enumerate(node)]
        return [item for item, _ in items], [key for _, gone in items for key in gone]
    if not isinstance(node, dict):
        return node, []
    taken = signature_of(locate(node["_target_"])) if "_target_" in node else None
    kept, gone = {}, []
    for key, value in node.items():
        if taken is None or taken.any_other or key in taken.known or key in RESERVED:
            kept[key], below = taken_only(value, f"{path}.{key}")
            gone += below
        else:
            gone.append(f"{path}.{key}")
    return kept, gone


class Signature(NamedTuple):
    """A component's parameters: name -> annotation, the names it cannot do without, whether it takes any other by `**`."""

    known: dict[str, Any]
    required: frozenset[str]
    any_other: bool


@functools.cache
def signature_of(target: Any) -> Signature:
    """The parameters of a constructor or function; `**kwargs` of a constructor is followed to its parent's."""
    if not inspect.isclass(target) or target.__new__ is not object.__new__:
        return parameters_of(target)
    known: dict[str, Any] = {}
    required: frozenset[str] = frozenset()
    any_other = False
    for cls in target.__mro__:
        if cls in (object, torch.nn.Module):  # these take nothing
            any_other = False
        elif "__init__" in vars(cls):
            own = parameters_of(vars(cls)["__init__"], skip=1)
            required |= own.required - set(known)
            known, any_other = {**own.known, **known}, own.any_other
        else:
            continue
        if not any_other:
            break
    for module, domains in THEIRS.items():
        if target.__module__.startswith(module):
            known |= {key: domain for key, domain in domains.items() if key in known}
    return Signature(known, required, any_other)


def parameters_of(function: Any, skip: int = 0) -> Signature:
    try:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
    except (TypeError, ValueError):  # written in C
        return Signature({}, frozenset(), True)
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception:  # names that only type checkers see
        hints = {}
    named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    return Signature(
        {p.name: hints.get(p.name, Any) for p in named},
        frozenset(p.name for p in named if p.default is p.empty),
        any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


def settle(node: Any) -> Any:
    """A config, or a part of one, with whole floats (`16.0`, `1e2`) as ints where its components take whole numbers."""
    if isinstance(node, list):
        return [settle(item) for item in node]
    if not isinstance(node, dict):
        return node
    known = signature_of(locate(node["_target_"])).known if isinstance(node.get("_target_"), str) else {}
    return {key: settled(settle(value), known.get(key, Any)) for key, value in node.items()}
