"""Rows at an equal budget: images seen, parameters, or seconds of training."""

import statistics
from collections.abc import Sequence

from pushforward.errors import PushforwardError
from pushforward.report import comparability
from pushforward.runs import Run

TOLERANCES = {"images": 0.01, "parameters": 0.1, "seconds": 0.1}
"""The budgets, and by what share of the lowest the others may be above it, unless another is given."""
COSTS = {"images": "images_seen", "parameters": "parameters", "seconds": "train_seconds"}


def matched(
    runs: Sequence[Run], keys: Sequence[str], budget: str, tolerance: float | None = None
) -> tuple[list[Run], list[str]]:
    """The runs of rows at about the same budget, and a note for each data set: which it is, and what is left out.

    Of each data set those budgets that the most rows have, the larger where as many have another. A row's budget is the
    mean over its finished runs. Raises PushforwardError where no two rows have about the same.
    """
    within = TOLERANCES[budget] if tolerance is None else tolerance
    if not 0 <= within < 10:
        raise PushforwardError(f"--tolerance {within:g}: a share from 0, such as 0.1 for 10 %")
    kept: list[Run] = []
    notes = []
    by_data = comparability.partition(runs, lambda run: run.images)
    for data, own in by_data.items():
        groups = comparability.partition(own, lambda run: tuple(str(run.key(key)) for key in keys))
        costs = {key: _cost(group, budget) for key, group in groups.items()}
        low = _most(sorted(cost for cost in costs.values() if cost is not None), within)
        inside = {key for key, cost in costs.items() if cost is not None and low <= cost <= low * (1 + within)}
        if len(inside) < 2 <= len(groups):
            raise PushforwardError(
                f"--match {budget}: no two rows{f' on {data}' if len(by_data) > 1 else ''} are within {within:.0%} of each "
                "other; a larger --tolerance, such as 0.5, or other --runs"
            )
        kept += [run for key in inside for run in groups[key]]
        out = [
            f"{' '.join(key)} ({'none' if cost is None else f'{cost:,.0f}'})"
            for key, cost in costs.items()
            if key not in inside
        ]
        found = [cost for key in inside if (cost := costs[key]) is not None]
        notes.append(
            f"{f'{data}: ' if len(by_data) > 1 else ''}rows at {min(found):,.0f} to {max(found):,.0f} {budget}, within "
            f"{100 * within:g} %" + (f"; left out: {', '.join(out)}" if out else "")
        )
    chosen = set(map(id, kept))
    return [run for run in runs if id(run) in chosen], notes


def _cost(runs: Sequence[Run], budget: str) -> float | None:
    """The mean over finished runs; None without any."""
    costs = [(run.record.get("cost") or {}).get(COSTS[budget]) for run in runs if run.state == "finished"]
    found = [float(cost) for cost in costs if cost is not None]
    return statistics.fmean(found) if found else None


def _most(costs: Sequence[float], within: float) -> float:
    """The lowest of the sorted costs from which on the most lie within the tolerance; the highest such."""
    count = {low: sum(low <= cost <= low * (1 + within) for cost in costs) for low in costs}
    return max(count, key=lambda low: (count[low], low), default=0.0)
