"""Domains of a config's values: constructors annotate their numbers, and composing holds each value against the annotation.

`beta: NonNegative` refuses `weighting.beta=-1`, `nan` and `inf`; `hidden: tuple[Count, ...]` refuses `network.hidden=[0]`.
"""

import collections.abc
import json
import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pushforward.errors import near


@dataclass(frozen=True)
class Domain:
    """The finite numbers from `low` to `high`, the ends excluded where `above` and `below` say so."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        low = self.low < value if self.above else self.low <= value
        high = value < self.high if self.below else value <= self.high
        return low and high and (isinstance(value, int) or math.isfinite(value))

    def __str__(self) -> str:
        low = "" if self.low == -math.inf else f"{'above' if self.above else 'from'} {self.low}"
        high = "" if self.high == math.inf else f"{'below' if self.below else 'to'} {self.high}"
        if low and not high:
            return low if self.above else f"of at least {self.low}"
        return f"{low} {'and ' * bool(self.below)}{high}".strip() or "that is finite"


LARGEST = 2**63 - 1
"""The largest whole number that arrays and generators hold."""

Real = Annotated[float, Domain()]
Positive = Annotated[float, Domain(0, above=True)]
NonNegative = Annotated[float, Domain(0)]
Share = Annotated[float, Domain(0, 1)]
PositiveShare = Annotated[float, Domain(0, 1, above=True)]
Probability = Annotated[float, Domain(0, 1, above=True, below=True)]
Decay = Annotated[float, Domain(0, 1, below=True)]
Count = Annotated[int, Domain(1)]
Natural = Annotated[int, Domain(0)]
Whole = Annotated[int, Domain()]
Few = Annotated[int, Domain(1, 1024)]
Workers = Annotated[int, Domain(0, 1024)]
"""Processes, devices, threads: more is a slip of the hand, and starting them takes the machine down."""
Seed = Annotated[int, Domain(0, 2**32 - 1)]
"""Seeds that every generator takes, NumPy's and scikit-learn's too."""


def keys_of(schema: type) -> dict[str, Any]:
    """Key -> annotation of a dataclass that describes a node of the config."""
    return get_type_hints(schema, include_extras=True)


def refusals(path: str, node: Mapping[str, Any], known: Mapping[str, Any], owner: str) -> Iterator[str]:
    """Yield what is wrong with a node whose keys are `known`, key -> annotation; below a key that has a schema, likewise.

    owner: what has these keys, as a message begins: `Conv has no such argument`.
    """
    for key, value in node.items():
        full = f"{path}.{key}" if path else str(key)
        if key not in known:
            yield f"{full}: {owner}; {near(str(key), known)}"
        elif not fits(value, known[key]):
            yield f"{full}={shown(value)}: it must be {wanted(known[key])}"
        elif isinstance(value, Mapping) and "_target_" not in value and (schema := schema_of(known[key])):
            yield from refusals(full, value, keys_of(schema), owner)


def schema_of(annotation: Any) -> type | None:
    """Return the dataclass that an annotation is, or allows beside null."""
    union = get_origin(annotation) in (Union, types.UnionType)
    options = get_args(annotation) if union else (annotation,)
    return next((option for option in options if isinstance(option, type) and is_dataclass(option)), None)


def shown(value: Any) -> str:
    """Return a value as a person wrote it, shortened."""
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        return f"a whole number of {int(value.bit_length() * math.log10(2)) + 1} digits"
    text = json.dumps(value) if isinstance(value, bool | None) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def meant(annotation: Any) -> Any:
    """`Annotated[Any, Count]`, of a key that Hydra is to leave as it is written, means `Count`."""
    args = get_args(annotation)
    return args[1] if get_origin(annotation) is Annotated and args[0] is Any else annotation


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value from YAML fits an annotation. A component (`_target_`) fits whatever is no scalar."""
    annotation = meant(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation in (Any, object):
        return not (isinstance(value, float) and math.isnan(value))
    if origin is Annotated:
        domains = [part for part in args[1:] if isinstance(part, Domain)]
        return fits(value, args[0]) and all(isinstance(value, int | float) and value in d for d in domains)
    if origin in (Union, types.UnionType):
        return any(fits(value, option) for option in args)
    if origin is Literal:
        return value in args and not (isinstance(value, bool) and not any(value is a for a in args))
    if annotation in (None, type(None)):
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if annotation in (int, float):
        return is_number(value) and (annotation is float or isinstance(value, int) or value.is_integer())
    if annotation is str or annotation is Path:
        return isinstance(value, str)
    return fits_container(value, origin or annotation, args)


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and no whole number that 64 bits cannot hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -LARGEST <= value <= LARGEST if isinstance(value, int) else math.isfinite(value)


def fits_container(value: Any, kind: Any, args: tuple[Any, ...]) -> bool:
    """Whether a value fits a list, a mapping or a class of objects; what cannot be told is left to the constructor."""
    if isinstance(value, Mapping) and "_target_" in value:
        return True
    if not isinstance(kind, type) or kind is collections.abc.Callable:
        return True
    if issubclass(kind, tuple) and args and args[-1] is not Ellipsis:
        return isinstance(value, list) and len(value) == len(args) and all(map(fits, value, args))
    if issubclass(kind, collections.abc.Mapping):
        inner = args[1] if len(args) == 2 else Any
        return isinstance(value, Mapping) and all(fits(item, inner) for item in value.values())
    if issubclass(kind, collections.abc.Collection):
        return isinstance(value, list) and all(fits(item, args[0] if args else Any) for item in value)
    # in YAML an object is written as a mapping; one that is built already is itself
    return value is not None and not isinstance(value, str | int | float)


def wanted(annotation: Any) -> str:
    """Return an annotation in words: `a whole number of at least 1 or null`."""
    annotation = meant(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return " ".join([wanted(args[0]), *(str(part) for part in args[1:] if isinstance(part, Domain))])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(wanted(option) for option in args))
    if origin is Literal:
        return " or ".join(map(str, args))
    words = {
        int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path", type(None): "null"
    }  # fmt: skip
    if annotation in words:
        return words[annotation]
    kind = origin or annotation
    if isinstance(kind, type) and issubclass(kind, collections.abc.Mapping):
        return "names with their values"
    if isinstance(kind, type) and issubclass(kind, collections.abc.Collection):
        if len(args) > 1 and args[-1] is not Ellipsis:
            return f"a list of {len(args)}: {', '.join(map(wanted, args))}"
        return f"a list, each {wanted(args[0])}" if args else "a list"
    return f"a {getattr(kind, '__name__', kind)} (a component with its _target_)"


def settled(value: Any, annotation: Any) -> Any:
    """Return the value with whole floats (`16.0`, `1e2`) as ints where whole numbers are meant."""
    annotation = meant(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return settled(value, args[0])
    if origin in (Union, types.UnionType):
        fitting = [option for option in args if fits(value, option)]
        return settled(value, next((o for o in fitting if kind_of(o) is int), fitting[0])) if fitting else value
    if annotation is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list) and args:
        each = args if len(args) == len(value) and args[-1] is not Ellipsis else [args[0]] * len(value)
        return [settled(item, inner) for item, inner in zip(value, each, strict=True)]
    return value


def kind_of(annotation: Any) -> Any:
    """Return the type that a domain narrows."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
