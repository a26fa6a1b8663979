"""Welch's interval against scipy's, and how it reads."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from pushforward.errors import PushforwardError
from pushforward.report.intervals import Interval, between, difference, line


@pytest.mark.parametrize("seed", range(20))
def test_it_is_scipys(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(1, 2, rng.integers(2, 6)), rng.normal(0, 1, rng.integers(2, 6))
    theirs = ttest_ind(a, b, equal_var=False).confidence_interval(0.9)
    ours = difference(a.tolist(), b.tolist(), 0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)
    assert ours.difference == pytest.approx(a.mean() - b.mean()) and ours.n == (len(a), len(b))


def test_how_it_reads():
    assert str(Interval(0.1234, 0.101, 0.145, 0.95, (2, 2), "share")) == "+12.3 % [10.1, 14.5] (95 %, n = 2 + 2)"
    assert str(Interval(-3.0, -4.5, -1.5, 0.9, (3, 2), "nats")) == "-3.00 nats [-4.50, -1.50] (90 %, n = 3 + 2)"
    assert Interval(1, 0.5, 1.5, 0.95, (2, 2)).excludes_zero and not Interval(1, -0.5, 2.5, 0.95, (2, 2)).excludes_zero


def test_values_without_spread_have_no_width():
    same = difference([1.0, 1.0], [0.5, 0.5])
    assert (same.low, same.high) == (0.5, 0.5) and same.excludes_zero


def test_between_runs(make):
    runs = [make("ae", 1, mse=0.5), make("ae", 2, mse=0.6), make("vae", 1, mse=0.2), make("vae", 2, mse=0.1)]
    found = between(runs, "mse", "ae", "vae")
    assert found.difference == pytest.approx(0.4) and found.n == (2, 2)
    assert line(runs, "mse", "ae", "vae") == f"ae − vae: {found}"


def test_what_cannot_be_compared(make):
    runs = [make("ae", 1, mse=0.5), make("vae", 1, mse=0.2), make("vae", 2, mse=0.1)]
    with pytest.raises(PushforwardError, match="1 of these runs with model=ae has it, and an interval needs 2"):
        between(runs, "mse", "ae", "vae")
    with pytest.raises(PushforwardError, match="at least 2 seeds"):
        difference([1.0], [1.0, 2.0])
    runs.append(make("ae", 3, mse=(0.5, {"split": "val"})))
    with pytest.raises(PushforwardError, match="cards differ in split"):
        between(runs, "mse", "ae", "vae")
