"""Sets of weights of one run, and its record as that of each set it was measured with. Imports no torch."""

from collections.abc import Iterable, Mapping
from typing import Any

from pushforward.errors import PushforwardError

SETS = ("best", "last", "ema")
"""Of the checkpoint that validation chose, as validation measured it; those of the last step; their moving average then."""
BY_CARD = {"best": "best", "best (EMA)": "best", "last": "last", "last (EMA)": "ema"}
"""The set that `weights` in a card means."""


def named(wanted: str | Iterable[str] | None, where: str) -> list[str]:
    """The sets that a setting names, each once. Raises PushforwardError for what is none."""
    names = wanted.split(",") if isinstance(wanted, str) else [str(name) for name in wanted or ()]
    for name in names:
        if name not in SETS:
            raise PushforwardError(f"{where}: {name!r} is no set of weights; choose from {', '.join(SETS)}")
    return list(dict.fromkeys(names))


def measured_with(record: Mapping[str, Any]) -> str | None:
    """The set that a record's `metrics` are of; None where nothing was measured, or no card says it."""
    cards = (entry["card"] for entry in (record.get("metrics") or {}).values())
    return next((BY_CARD[card["weights"]] for card in cards if card.get("weights") in BY_CARD), None)


def sets(record: Mapping[str, Any]) -> list[str]:
    """The sets that a record has numbers of, or a reason why there are none."""
    known = {measured_with(record), *(record.get("weights") or {})}
    return [name for name in SETS if name in known]


def numbers(record: Mapping[str, Any], name: str | None) -> dict[str, dict[str, Any]]:
    """The numbers of a set, None being what `metrics` has; where the run has no such weights, each is n/a with the reason."""
    chosen: dict[str, dict[str, Any]] = record.get("metrics") or {}
    if name is None or name == measured_with(record):
        return chosen
    block = (record.get("weights") or {}).get(name) or {}
    if block.get("na"):
        return {key: {**entry, "value": None, "na": block["na"]} for key, entry in chosen.items()}
    found: dict[str, dict[str, Any]] = block.get("metrics") or {}
    return found


def merged(record: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The `weights` of a record with what was measured since: numbers merge by name."""
    before = record.get("weights") or {}
    return {
        **before,
        **{
            name: {**block, "metrics": {**((before.get(name) or {}).get("metrics") or {}), **block["metrics"]}}
            for name, block in found.items()
        },
    }
