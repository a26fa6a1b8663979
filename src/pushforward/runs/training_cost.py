"""The cost of training a run, from its record, as numbers with units and cards like any other."""

from collections.abc import Mapping
from typing import Any

COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "parameters": {"order": [150, 0], "main": True}, "wall_time": {"order": [160, 0]},
    "images_per_second": {"order": [160, 1]}, "data_wait": {"order": [160, 2]},
}  # fmt: skip
"""The place of these numbers in tables: the parameters as the measure `cost` has them."""


def columns(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{"parameters", "wall_time", "images_per_second", "data_wait"}: those that the record's `cost` has.

    Times depend on the machine: device, threads, precision and how the run was executed stand in their cards.
    """
    cost, execution = record.get("cost") or {}, record.get("execution") or {}
    seen = cost.get("images_seen")
    where = {key: execution.get(key) for key in ("device", "devices", "threads", "precision", "executed")}
    timed = {
        "better": "lower",
        "split": None,
        "of": "training, measuring aside",
        "images": seen and f"about {float(f'{seen:.2g}'):,.0f}",  # families count in steps of their own batches
        **where,
    }
    found = {
        "parameters": (cost.get("parameters"), "count", {"better": None, "split": None}),
        "wall_time": (cost.get("train_seconds"), "s", timed),
        "images_per_second": (cost.get("images_per_second"), "images/s", timed | {"better": "higher"}),
        "data_wait": (cost.get("data_wait"), "share", timed | {"of": "training, in which it waited for data"}),
    }
    return {
        name: {"value": float(value), "unit": unit, "card": card, "na": None, "column": COLUMNS[name]}
        for name, (value, unit, card) in found.items()
        if value is not None
    }
