"""Every `_target_` of a config held against its constructor's signature before anything runs; all errors in one message."""

import difflib
import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object

from pushforward.errors import PushforwardError

RESERVED = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


def check_targets(frozen: Mapping[str, Any]) -> None:
    """Raises PushforwardError with every mistyped argument and value of the config's components, and what was meant."""
    errors = list(dict.fromkeys(error for path, node in nodes(dict(frozen), "") for error in check(path, node)))
    if errors:
        raise PushforwardError("; ".join(errors))


def nodes(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every component below `node` with its dotted path; what only repeats another group is left to it."""
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            yield path, node
        for key, value in node.items():
            if path == "model" and key in ("network", "optimizers", "likelihood", "corruption"):
                continue  # interpolated from its own group, where it is checked
            yield from nodes(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from nodes(value, f"{path}.{i}")


def check(path: str, node: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one component."""
    try:
        target = get_object(node["_target_"])
    except Exception as error:
        yield f"{path}._target_={node['_target_']}: it cannot be imported ({str(error).splitlines()[0]})"
        return
    parameters = inherited_parameters(target)
    if parameters is None:
        return
    given = {key: value for key, value in node.items() if key not in RESERVED}
    for key, value in given.items():
        if key not in parameters:
            near = difflib.get_close_matches(key, parameters, n=3, cutoff=0.5)
            known = ", ".join(near or parameters)
            yield f"{path}.{key}: {target.__name__} has no such argument; {'did you mean' if near else 'it has'} {known}"
        elif not fits(value, parameters[key][0]):
            yield f"{path}.{key}={value!r}: {target.__name__} wants {name_of(parameters[key][0])}"
    if not node.get("_partial_") and path != "model":
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
        signature = inspect.signature(cls.__init__)
        found = {**(parameters_of(cls.__init__, skip=1) or {}), **found}
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
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
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
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    return " or ".join(words.get(option, getattr(option, "__name__", str(option))) for option in options)
