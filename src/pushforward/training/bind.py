"""Every `_target_` of a config held against its constructor's signature before anything runs; all errors in one message."""

import difflib
import inspect
import json
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pushforward.errors import PushforwardError
from pushforward.trust import locate

RESERVED = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


def check_targets(frozen: Mapping[str, Any]) -> None:
    """Raises PushforwardError with every mistyped argument and value of the config's components, and what was meant."""
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
    if errors:
        raise PushforwardError("; ".join(dict.fromkeys(errors)))


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
    """What is wrong with one component."""
    try:
        target = locate(node["_target_"])
    except PushforwardError as error:
        yield f"{path}._target_={node['_target_']}: {error}"
        return
    parameters = inherited_parameters(target)
    if parameters is None:
        return
    given = {key: value for key, value in node.items() if key not in RESERVED}
    for key, value in given.items():
        if key not in parameters:
            near = difflib.get_close_matches(key, parameters, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(parameters) or 'none'}"
            yield f"{path}.{key}: {target.__name__} has no such argument; {hint}"
        elif not fits(value, parameters[key][0]):
            yield f"{path}.{key}={value}: {target.__name__} wants {name_of(parameters[key][0])}"
    if not node.get("_partial_") and path not in ("model", "logger"):  # theirs comes from the run
        for key, (_, required) in parameters.items():
            if required and key not in given:
                yield f"{path}.{key}: {target.__name__} needs it and it is missing"


def inherited_parameters(target: Any) -> dict[str, tuple[Any, bool]] | None:
    """Name -> (annotation, required); None where the signature is open. `**kwargs` is followed to the parent's."""
    if not inspect.isclass(target):
        return parameters_of(target)
    found: dict[str, tuple[Any, bool]] = {}
    for cls in target.__mro__:
        if "__init__" not in vars(cls) or cls is object:
            continue
        signature = inspect.signature(vars(cls)["__init__"])
        found = {**(parameters_of(vars(cls)["__init__"], skip=1) or {}), **found}
        if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
            return found
    return None


def parameters_of(function: Any, skip: int = 0) -> dict[str, tuple[Any, bool]] | None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        hints = get_type_hints(function)
    except Exception:
        hints = {}
    return {
        p.name: (hints.get(p.name, Any), p.default is p.empty)
        for p in list(signature.parameters.values())[skip:]
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }


def fits(value: Any, annotation: Any) -> bool:
    """Whether a scalar from YAML fits an annotation; what is not scalar is left to the constructor."""
    options = alternatives(annotation)
    if value in [option for option in options if isinstance(option, str)]:
        return True
    options = tuple(option for option in options if not isinstance(option, str)) or (type(None),)
    scalars = [option for option in options if option in (int, float, bool, str, type(None))]
    if len(scalars) != len(options) and (isinstance(value, dict | list) or value is None):
        return True
    if not scalars or (len(scalars) != len(options) and not isinstance(value, str)):
        return True
    if isinstance(value, bool):
        return bool in scalars
    if isinstance(value, int):
        return int in scalars or float in scalars
    if isinstance(value, float):
        return float in scalars or (int in scalars and value.is_integer())
    if isinstance(value, str):
        return str in scalars
    return value is None and type(None) in scalars


def name_of(annotation: Any) -> str:
    options = alternatives(annotation)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    named = (
        option if isinstance(option, str) else words.get(option, getattr(option, "__name__", "")) for option in options
    )
    return " or ".join(named)


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """What an annotation allows: types, and the words of a Literal."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(a for option in get_args(annotation) for a in alternatives(option))
    return get_args(annotation) if get_origin(annotation) is Literal else (annotation,)
