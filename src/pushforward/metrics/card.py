"""The entry of a number in `record.json`: the value, its unit, and the card that says how it came about."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Better = Literal["lower", "higher"] | None
"""The direction in which a metric improves; None where neither is better, such as rate and distortion apart."""


def measurement(value: float, unit: str, *, better: Better, **card: Any) -> dict[str, Any]:
    """{"value", "unit", "card", "na"} of a number; one that is not finite has no value, and says why.

    card: what the number depends on: split, n, weights, chosen_by, features and their hash, preprocessing, sampler,
    function_evaluations, kind of bound and its samples, binarisation and its seed, standard_error ...
    """
    number = float(value)
    if not math.isfinite(number):
        return not_applicable(f"not finite ({number})", unit, better=better, **card)
    return {"value": number, "unit": unit, "card": _card(better, card), "na": None}


def not_applicable(reason: str, unit: str, *, better: Better, **card: Any) -> dict[str, Any]:
    """{"value": None, "unit", "card", "na": reason}: the metric was requested and is not available."""
    return {"value": None, "unit": unit, "card": _card(better, card), "na": reason}


def _card(better: Better, card: Mapping[str, Any]) -> dict[str, Any]:
    if better not in ("lower", "higher", None):
        raise ValueError(f"better={better!r}; expected 'lower', 'higher' or None.")
    return {"better": better, **{key: _plain(value, key) for key, value in card.items()}}


def _plain(value: Any, where: str) -> Any:
    """`value` as what JSON holds: text, finite numbers, lists and mappings of these; 0-d tensors become numbers."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item, where) for item in value]
    if hasattr(value, "item"):
        return _plain(value.item(), where)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise TypeError(f"card entry {where} is a {type(value).__name__}; give text, a number, a list or a mapping.")
