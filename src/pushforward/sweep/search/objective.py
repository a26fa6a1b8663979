"""The numbers that a search makes better, from a run directory: on the validation split, unless the test is named."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from pushforward.errors import PushforwardError, near
from pushforward.runs import Run, every_run

CRITERION = "val/criterion"


class Unmeasured(PushforwardError):
    """A run that has no number where others have one: its trial failed, and the search continues."""


class Objective(NamedTuple):
    """One number: its name in pictures, where it comes from, and whether more of it is better."""

    name: str
    source: str
    maximize: bool

    @property
    def sign(self) -> float:
        return -1.0 if self.maximize else 1.0


def objectives(metric: Any, direction: Any) -> list[Objective]:
    """Objectives from `study.metric`, one, a list or {name: metric}, and `study.direction`, one for each or none.

    Without a direction it is that of the metric's card in the runs there are; validation terms are minimised.
    """
    if isinstance(metric, Mapping):
        named = {str(name): str(source) for name, source in metric.items()}
    else:
        sources = metric if isinstance(metric, list | tuple) else [metric]
        named = {str(source): str(source) for source in sources}
    if not named:
        raise PushforwardError(f"study.metric: name at least one, such as {CRITERION}")
    directions = direction if isinstance(direction, list | tuple) else [direction] * len(named)
    if len(directions) != len(named):
        raise PushforwardError(
            f"study.direction: {len(directions)} directions for {len(named)} metrics; give one for each"
        )
    for word in directions:
        if word not in (None, "minimize", "maximize"):
            raise PushforwardError(f"study.direction={word}: {near(str(word), ['minimize', 'maximize'])}")
    return [
        Objective(name, source, _better(source) == "higher" if word is None else word == "maximize")
        for (name, source), word in zip(named.items(), directions, strict=True)
    ]


def _better(source: str) -> str:
    if source.startswith("val/"):
        return "lower"
    name = source.removeprefix("test/")
    for run in every_run():
        better = ((run.metrics.get(name) or {}).get("card") or {}).get("better")
        if better:
            return better
    raise PushforwardError(
        f"study.metric={source}: no run here says which way it is better; add study.direction=minimize or maximize, "
        f"or choose a term of validation, such as {CRITERION}"
    )


def value(run: Run, source: str) -> float:
    """Return the number of a finished run: `val/NAME` is a column of validation, `test/NAME` a number of the record.

    A name alone is the validation's where there is one, else the record's, where that was not measured on the test
    split. Raises PushforwardError where there is no such number, Unmeasured where it is not finite or not applicable.
    """
    curves = run.curves()
    column = source if source.startswith("val/") else f"val/{source}"
    if column in curves and not source.startswith("test/"):
        return _finite(run, source, _chosen(curves, column, settled_images(run)))
    if source.startswith("val/"):
        there = [name for name in curves if name.startswith("val/")]
        hint = near(source, there) if there else "this model has no criterion of validation: set selection.metric"
        raise PushforwardError(f"study.metric={source}: the run has no such column; {hint}")
    name = source.removeprefix("test/")
    entry = run.metrics.get(name)
    if entry is None:
        known = sorted(run.metrics) + [c for c in curves if c.startswith("val/")]
        raise PushforwardError(
            f"study.metric={source}: {run.id} has no such number; {near(name, known)}; if the run was measured by less, the "
            f"same command resumes after: pushforward evaluate {run.id} metrics=default"
        )
    if entry.get("na") or entry.get("value") is None:
        raise Unmeasured(f"{source}: {entry.get('na') or 'no value'}")
    if (entry.get("card") or {}).get("split") == "test" and source == name:
        raise PushforwardError(
            f"study.metric={source}: it is measured on the test split, which a search must not see; "
            f"say test/{name} to choose by it all the same, or {CRITERION}"
        )
    return _finite(run, source, float(entry["value"]))


def unmeasured(run: Run, wanted: Iterable[Objective]) -> str:
    """Return the numbers of the record that a search needs and a run lacks, separated by commas."""
    names = [o.source.removeprefix("test/") for o in wanted if o.source.startswith("test/")]
    return ", ".join(name for name in names if name not in run.metrics)


def _chosen(curves: Mapping[str, np.ndarray], column: str, settled: float) -> float:
    """Return the column where the criterion was best, that is, of the weights that are kept; its last value without one."""
    there = np.isfinite(curves[column])
    if not there.any():
        return math.nan
    criterion, chooses = curves.get(CRITERION), there & (curves["images_seen"] >= settled)
    if criterion is not None and np.isfinite(criterion[chooses]).any():
        return float(curves[column][chooses][int(np.nanargmin(criterion[chooses]))])
    return float(curves[column][there][-1])


def settled_images(run: Run) -> float:
    """Return the images before which nothing is chosen, as the objective still changes; infinite where it always does."""
    images = run.status.get("settled_images", 0.0)
    return math.inf if images is None else float(images)


def _finite(run: Run, source: str, number: float) -> float:
    if not math.isfinite(number):
        raise Unmeasured(f"{run.id}: {source} is not finite ({number})")
    return number


def validations(run: Run) -> list[tuple[int, float]]:
    """(images seen, criterion) of every validation so far that may choose, in order."""
    curves = run.curves()
    criterion = curves.get(CRITERION)
    if criterion is None:
        return []
    there = ~np.isnan(criterion) & (curves["images_seen"] >= settled_images(run))
    return [(int(seen), float(v)) for seen, v in zip(curves["images_seen"][there], criterion[there], strict=True)]
