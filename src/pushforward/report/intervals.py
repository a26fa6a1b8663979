"""Intervals of differences over seeds: of two samples, of two groups of runs, of two rows of a table column by column."""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pushforward.errors import PushforwardError
from pushforward.report import comparability
from pushforward.report.table_layout import Table, key_text
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
    test: str = ""
    """Of pairs: what tests them, and its p."""

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
        how = f"{self.n[0]} seeds in pairs; {self.test}" if self.test else f"n = {self.n[0]} + {self.n[1]}"
        return f"{d:+.{digits}f}{unit} {ends} ({100 * self.level:g} %, {how})"


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


MOST_FLIPS = 12
"""Pairs up to which every flip of signs is tried, 2¹² of them; above, the t test."""


def paired(a: Sequence[float], b: Sequence[float], level: float = 0.95, unit: str = "") -> Interval:
    """mean(a − b) of pairs with Student's t interval, tested by all flips of the differences' signs (Fisher 1935), or by t."""
    from scipy.special import stdtr, stdtrit

    differences = [x - y for x, y in zip(a, b, strict=True)]
    n, d = len(differences), statistics.fmean(differences)
    error = statistics.stdev(differences) / math.sqrt(n)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * error
    if n <= MOST_FLIPS:
        test = f"exact sign-flip test: p = {sign_flip(differences):.2g}"
        test += f", {n} seeds give at least {2 ** (1 - n):.2g}" if 2 ** (1 - n) > 1 - level else ""
    else:
        p = 2 * float(stdtr(n - 1, -abs(d) / error)) if error else float(d == 0)
        test = f"paired t test: p = {p:.2g}"
    return Interval(d, d - half, d + half, level, (n, n), unit, test)


def sign_flip(differences: Sequence[float]) -> float:
    """The share of all flips of the signs whose sum is at least as far from 0, two-sided."""
    far = abs(math.fsum(differences)) * (1 - 1e-12)
    flips = itertools.product((1, -1), repeat=len(differences))
    return statistics.fmean(
        abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True))) >= far for signs in flips
    )


def between(
    runs: Sequence[Run], metric: str, first: str, second: str, key: str = "model", level: float = 0.95
) -> Interval:
    """The metric's difference between runs whose `key` is `first` and those whose key is `second`.

    Over pairs of runs of one seed, where each of two seeds or more has one run on either side; else Welch's.

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
    unit = str(metrics[0].get("unit") or "")
    by_seed = [comparability.partition(group, lambda run: run.key("seed")) for group in groups]
    shared = [seed for seed in by_seed[0] if seed is not None and seed in by_seed[1]]
    alone = all(len(own) == 1 for side in by_seed for own in side.values())
    if len(shared) > 1 and alone:
        a, b = ([float(side[seed][0].metrics[metric]["value"]) for seed in shared] for side in by_seed)
        return paired(a, b, level, unit)
    a, b = ([float(run.metrics[metric]["value"]) for run in group] for group in groups)
    return difference(a, b, level, unit)


def line(runs: Sequence[Run], metric: str, first: str, second: str, key: str = "model", level: float = 0.95) -> str:
    """`ae − vae: +12.3 % [10.1, 14.5] (95 %, n = 2 + 2)`."""
    return f"{first} − {second}: {between(runs, metric, first, second, key, level)}"


def comparisons(table: Table, runs: Sequence[Run], first: str, second: str, level: float = 0.95) -> list[str]:
    """`mse: ae − vae: −0.012 [−0.014, −0.010] (95 %, 3 seeds in pairs; …)` for each column that both have two seeds of.

    A row is meant by its value of the table's first key. Columns whose numbers of the two do not compare are left out.
    Raises PushforwardError where a value is in no row, or no column can be compared.
    """
    key = table.keys[0]
    known = sorted({str(run.key(key)) for run in runs})
    for name in (first, second):
        if name not in known:
            raise PushforwardError(f"--compare {first},{second}: no run has {key}={name}; there are {', '.join(known)}")
    several = len({run.key("data") for run in runs}) > 1
    lines, refused = [], []
    for i, column in enumerate(table.columns):
        of_column = [run for row in table.rows for run in row.cells[i].runs]
        for data, own in comparability.partition(of_column, lambda run: run.key("data")).items():
            try:
                both = [r for r in own if str(r.key(key)) in (first, second) and r.value(column.name) is not None]
                differ = comparability.differing([comparability.meaning(run.metrics[column.name]) for run in both])
                if differ:
                    raise PushforwardError(f"{column.name}: the models differ in {', '.join(differ)}")
                found = between(own, column.name, first, second, key, level)
                pair = " − ".join(table.names.get(name, name) for name in (first, second))
                group = "".join(f"{table.names.get(key_text(at), key_text(at))} " for at in column.at)
                where = group or (f"{data} " if several else "")
                lines.append(f"{where}{column.title}: {pair}: {found}")
            except PushforwardError as error:
                refused.append(error)
    if not lines:
        raise PushforwardError(f"--compare {first},{second}: {refused[0]}")
    return lines
