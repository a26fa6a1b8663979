"""The speed of runs and the time left: from records of finished runs, and from running ones as they go."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from pushforward.runs import KILLED, Run, Sweep, data_name, every_run

ENOUGH = 10
"""Finished runs of a kind that an estimate is the median of: the last ones."""

Kind = tuple[str, str]
"""Names of recipe and data: what a run's status, and a sweep of its jobs, say of themselves."""


class Estimates:
    """Seconds that a job takes, from finished runs of the same model, data and network; from none: unknown."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root
        self._finished: dict[Kind, list[Run]] | None = None

    def forget(self) -> None:
        """Another run has finished: what is asked next counts it in."""
        self._finished = None

    def finished(self) -> dict[Kind, list[Run]]:
        """Finished runs by their kind; only what is alike is read further than its status."""
        if self._finished is None:
            self._finished = {}
            for run in every_run(self.root):
                if run.state == "finished" and (kind := kind_of(run)):
                    self._finished.setdefault(kind, []).append(run)
            for alike in self._finished.values():
                alike.sort(key=lambda run: str(run.status.get("updated")))
        return self._finished

    def whole(self, kind: Kind | None) -> tuple[float, float] | None:
        """Seconds of training and of measuring for a run of whose config nothing is known but its kind."""
        alike = [] if kind is None else self.finished().get(kind, [])
        costs = [cost for run in alike[-ENOUGH:] if (cost := _cost(run))]
        if not costs:
            return None
        return median(c["train_seconds"] for c in costs), median(c.get("evaluate_seconds") or 0.0 for c in costs)

    def alike(self, frozen: Mapping[str, Any]) -> list[Run]:
        """Finished runs with a cost; those of the same sizes alone, where there are such."""
        choices = frozen["choices"]
        kind = (str(choices["model"]), str(data_name(frozen)))
        runs = [r for r in self.finished().get(kind, [])[-4 * ENOUGH :] if _cost(r)]
        runs = [r for r in runs if r.choices.get("network") == choices.get("network")]
        same = [
            r for r in runs if all(r.config.get(k) == frozen.get(k) for k in ("network", "batch_size", "precision"))
        ]
        return (same or runs)[-ENOUGH:]

    def seconds(self, frozen: Mapping[str, Any], seen: int = 0) -> float | None:
        """Seconds from `seen` images to the end, measuring included."""
        alike = self.alike(frozen)
        images = budget(frozen, alike)
        if images is None:
            return None
        an_image = image_seconds(alike)
        return max(0, images - seen) * an_image + self.measuring(frozen, alike, an_image)

    def measuring(
        self, frozen: Mapping[str, Any], alike: Sequence[Run], an_image: float, test: int | None = None
    ) -> float:
        """Seconds of measuring: as its like took, in proportion to the images; before there is any, by what training takes."""
        wanted = measured_images(frozen)
        took = [cost["evaluate_seconds"] * wanted / (measured_images(run.config) or wanted or 1)
                for run in alike if (cost := _cost(run)).get("evaluate_seconds") is not None]  # fmt: skip
        if took:
            return median(took)
        return unmeasured(frozen, an_image, test)


def expected_seconds(frozen: Mapping[str, Any], images: int, an_image: float, test: int) -> float:
    """Seconds of a run of which nothing is known but the seconds of an image in training; test: images of the test split."""
    return images * an_image + unmeasured(frozen, an_image, test)


def unmeasured(frozen: Mapping[str, Any], an_image: float, test: int | None) -> float:
    """Seconds of measuring by what training takes, where no run of the kind was measured.

    A measure is a pass over its images, which costs about what training on them does. Samples of a model with several
    evaluations cost as many passes, of which each lacks the two thirds of a training step that its gradient takes.
    """
    wanted = measured_images(frozen)
    measures = [node for node in (frozen.get("metrics") or {}).values() if isinstance(node, Mapping)]
    passes = sum("_target_" in node for node in measures) * min(wanted, test or wanted)
    evaluations = (frozen.get("model") or {}).get("evaluations") or 0
    return (passes + wanted * evaluations / 3) * an_image


def image_seconds(alike: Sequence[Run]) -> float:
    """Seconds of training an image in finished runs."""
    return median(cost["train_seconds"] / cost["images_seen"] for cost in map(_cost, alike))


def measured_images(config: Mapping[str, Any]) -> int:
    """Images and samples that a config's measures take, at most; 0 where it measures none."""
    return int((config.get("metrics") or {}).get("images") or 0)


def remaining(run: Run, frozen: Mapping[str, Any], estimates: Estimates) -> float | None:
    """Seconds until a running run has ended, measuring included: what `status` and a sweep's screen show; None if unknown.

    It trains on as fast as it has so far, else as its like did; it measures as its like did.
    """
    known = "model" in (frozen.get("choices") or {}) and "budget" in frozen
    alike, whole = estimates.alike(frozen) if known else [], estimates.whole(kind_of(run))
    pace, images = speed(run), run.status.get("budget_images") or budget(frozen, alike)
    an_image = 1 / pace if pace else image_seconds(alike) if alike else None
    if an_image is None or not images:
        return None
    test = run.status.get("test_images")
    measuring = whole[1] if whole and not alike else estimates.measuring(frozen, alike, an_image, test)
    since = run.when("measuring_since")
    if run.status.get("phase") == "measuring" and since is not None:
        return max(0.05 * measuring, measuring - (datetime.now(UTC) - since).total_seconds())
    return max(0, images - (run.status.get("images_seen") or 0)) * an_image + measuring


def kind_of(run: Run) -> Kind | None:
    """The kind that a run's status says; None where it says none."""
    model, data = run.status.get("model"), run.status.get("data")
    return (model, data) if model and data else None


def _cost(run: Run) -> dict[str, Any]:
    cost = run.record.get("cost") or {}
    return cost if cost.get("train_seconds") and cost.get("images_seen") else {}


def budget(frozen: Mapping[str, Any], alike: Sequence[Run]) -> int | None:
    """Images of a budget; of one in epochs by what an epoch was to runs on the same data."""
    if not alike:
        return None
    if frozen["budget"].get("images"):
        return int(frozen["budget"]["images"])
    for run in alike:
        epochs, images = (run.config.get("budget") or {}).get("epochs"), run.status.get("budget_images")
        if epochs and images:
            return round(images / epochs * frozen["budget"]["epochs"])
    return None


def makespan(running: Iterable[float], waiting: Iterable[float], at_once: int) -> float:
    """Seconds until all jobs are done: each waiting one begins where a place is free first, in their order."""
    ends = sorted(running)[-at_once:]
    ends = [0.0] * (at_once - len(ends)) + ends
    heapq.heapify(ends)
    for seconds in waiting:
        heapq.heappush(ends, heapq.heappop(ends) + seconds)
    return max(ends, default=0.0)


def speed(run: Run) -> float | None:
    """Images a second of a running run, by its own clock; None where it has not said yet."""
    seen, seconds = run.status.get("images_seen"), run.status.get("train_seconds")
    return seen / seconds if seen and seconds else None


def sweep_left(sweep: Sweep, runs: Sequence[Run], estimates: Estimates) -> float | None:
    """Seconds until a sweep's jobs are done: what runs as it goes, what waits as its like took; None if nothing is known."""
    running: list[float | None] = []
    waiting: list[float | None] = []
    ended = [taken for run in runs if run.state == "finished" and (taken := took(run))]
    for run in runs:
        whole = estimates.whole(sweep.kinds.get(run.id))
        if run.state == "running":
            running.append(remaining(run, run.config, estimates))
        elif run.state in ("new", "stopped", KILLED):
            waiting.append(sum(whole) if whole else None)
    return together(running, waiting, ended, sweep.parallel or max(1, len(running)))


def together(
    running: Sequence[float | None], waiting: Sequence[float | None], ended: Sequence[float], at_once: int
) -> float | None:
    """Seconds until running and waiting jobs are done, given what each has left and what jobs that have `ended` took.

    One of which nobody knows (None) takes what the others take in whole, ended or waiting: what a running one has left
    says little of it. None where nothing is known.
    """
    if not running and not waiting:
        return 0.0
    whole = [*ended, *(s for s in waiting if s is not None)] or [s for s in running if s is not None]
    if not whole:
        return None
    usual = sum(whole) / len(whole)
    begun, queued = ([usual if s is None else s for s in some] for some in (running, waiting))
    return makespan(begun, queued, at_once)


def took(run: Run) -> float | None:
    """Seconds that a finished run took, measuring included."""
    cost = _cost(run)
    return cost["train_seconds"] + (cost.get("evaluate_seconds") or 0.0) if cost else None


def duration(seconds: float) -> str:
    """`3 min`, `1 h 20 min`, `2 d 4 h`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def age(when: datetime | None) -> str:
    """Time since then."""
    return "" if when is None else f"{duration(max(0.0, (datetime.now(UTC) - when).total_seconds()))} ago"
