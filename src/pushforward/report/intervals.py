"""How far two groups of runs are apart, and how sure that is: a difference of means with Welch's interval."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pushforward.errors import PushforwardError
from pushforward.report import comparability
from pushforward.runs import Run


@dataclass(frozen=True)
class Interval:
    """Difference of two means and the ends of its interval, in `unit`; n: values in each group."""

    difference: float
    low: float
    high: float
    level: float
    n: tuple[int, int]
    unit: str = ""

    @property
    def excludes_zero(self) -> bool:
        return not self.low <= 0 <= self.high

    def __str__(self) -> str:
        """`+12.3 % [10.1, 14.5] (95 %, n = 2 + 2)`."""
        scale, unit = (100, " %") if self.unit == "share" else (1, f" {self.unit}" if self.unit else "")
        d, low, high = (scale * value for value in (self.difference, self.low, self.high))
        smallest = min((abs(v) for v in (d, high - low) if v), default=1.0)
        digits = max(0, min(6, 2 - math.floor(math.log10(smallest)))) if scale == 1 else 1
        ends = f"[{low:.{digits}f}, {high:.{digits}f}]"
        return f"{d:+.{digits}f}{unit} {ends} ({100 * self.level:g} %, n = {self.n[0]} + {self.n[1]})"


def difference(a: Sequence[float], b: Sequence[float], level: float = 0.95, unit: str = "") -> Interval:
    """mean(a) − mean(b) with Welch's t interval, whose degrees of freedom are Satterthwaite's. Welch 1947.

    Groups without any spread give an interval of no width. Raises PushforwardError where a group has one value alone.
    """
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    if min(len(a), len(b)) < 2:
        raise PushforwardError(
            f"an interval needs at least 2 seeds in each group, these have {len(a)} and {len(b)}; train more: seed=1..3"
        )
    d = statistics.fmean(a) - statistics.fmean(b)
    errors = [statistics.variance(group) / len(group) for group in (a, b)]
    total = sum(errors)
    if total == 0:
        return Interval(d, d, d, level, (len(a), len(b)), unit)
    freedom = total**2 / sum(e**2 / (len(group) - 1) for e, group in zip(errors, (a, b), strict=True))
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(total)
    return Interval(d, d - half, d + half, level, (len(a), len(b)), unit)


def between(
    runs: Sequence[Run], metric: str, first: str, second: str, key: str = "model", level: float = 0.95
) -> Interval:
    """The metric's difference between runs whose `key` is `first` and those whose key is `second`.

    Raises PushforwardError where a group has fewer than two numbers, or they were measured differently.
    """
    groups = [
        [run for run in runs if str(run.key(key)) == name and run.value(metric) is not None] for name in (first, second)
    ]
    for name, group in zip((first, second), groups, strict=True):
        if len(group) < 2:
            raise PushforwardError(
                f"{metric}: {len(group)} of these runs with {key}={name} {'has' if len(group) == 1 else 'have'} it, "
                f"and an interval needs 2; train more seeds, or measure: pushforward evaluate {key}={name}"
            )
    metrics = [run.metrics[metric] for group in groups for run in group]
    differ = comparability.differing([comparability.protocol(m) for m in metrics])
    if differ:
        raise PushforwardError(
            f"{metric}: cards differ in {', '.join(differ)}; measure these runs alike, or choose others"
        )
    a, b = ([float(run.metrics[metric]["value"]) for run in group] for group in groups)
    return difference(a, b, level, str(metrics[0].get("unit") or ""))


def line(runs: Sequence[Run], metric: str, first: str, second: str, key: str = "model", level: float = 0.95) -> str:
    """`ae − vae: +12.3 % [10.1, 14.5] (95 %, n = 2 + 2)`."""
    return f"{first} − {second}: {between(runs, metric, first, second, key, level)}"
