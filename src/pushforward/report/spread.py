"""The spread of a mean over seeds: standard deviation, standard error, or a bootstrap interval."""

import functools
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95
KINDS = {
    "std": "mean ± standard deviation",
    "se": "mean ± standard error (standard deviation / √n)",
    "bootstrap": f"mean [{100 * LEVEL:g} % bootstrap interval: percentiles of {RESAMPLES:,} resamples]",
}
"""A table's words for each."""


@functools.lru_cache(maxsize=65536)  # the statistics module is exact, and slow; every form of a table asks
def half_width(values: tuple[float, ...], kind: str) -> float | None:
    """Standard deviation, divisor n − 1, or standard error; None for one seed."""
    if len(values) < 2:
        return None
    std = statistics.stdev(values)
    return std / len(values) ** 0.5 if kind == "se" else std


def bootstrap(values: Sequence[float]) -> tuple[float, float] | None:
    """The ends of the percentile interval of the mean, Efron 1979, the same for the same values; None for one seed."""
    if len(values) < 2:
        return None
    import numpy as np

    means = np.asarray(values)[_drawn(len(values))].mean(1)
    low, high = np.percentile(means, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


@functools.cache
def _drawn(n: int) -> "np.ndarray":
    """Indices of resamples, (RESAMPLES, n)."""
    import numpy as np

    # RandomState: its numbers stay the same in later versions of numpy
    return np.random.RandomState(0).randint(n, size=(RESAMPLES, n))
