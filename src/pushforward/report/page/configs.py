"""Differences between runs' configurations."""

from collections.abc import Sequence
from typing import Any

from pushforward.report.card_text import text
from pushforward.runs import Run, flatten

ASIDE = ("tags", "logger", "row_order", "retry", "uses", "choices.logger")
"""Keys that say nothing of what was trained or how."""


def differing(runs: Sequence[Run]) -> dict[str, Any]:
    """ids, keys in which any two runs differ, and for each run their values as text, null where it has none."""
    flat = [flatten(run.config) for run in runs]
    keys = sorted({key for one in flat for key in one if not any(key == a or key.startswith(f"{a}.") for a in ASIDE)})
    shown = [{key: text(one[key]) for key in keys if key in one and one[key] is not None} for one in flat]
    apart = [key for key in keys if len({one.get(key) for one in shown}) > 1]
    return {
        "ids": [run.id for run in runs],
        "keys": apart,
        "values": [[one.get(key) for key in apart] for one in shown],
    }
