"""Welch's interval against scipy's, and how it reads."""

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_ind, ttest_rel

from pushforward.errors import PushforwardError
from pushforward.report.intervals import Interval, between, difference, line, paired, sign_flip


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


@pytest.mark.parametrize("n", [2, 5, 13])
def test_pairs_have_scipy_s_t_interval_and_its_permutation_test(n):
    rng = np.random.default_rng(n)
    a, b = rng.normal(0.5, 1, n), rng.normal(0, 1, n)
    ours, theirs = paired(a.tolist(), b.tolist(), 0.9), ttest_rel(a, b)
    ends = theirs.confidence_interval(0.9)
    assert (ours.low, ours.high) == pytest.approx((ends.low, ends.high), rel=1e-9) and ours.n == (n, n)
    flips = permutation_test((a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf)
    if n <= 12:
        assert sign_flip((a - b).tolist()) == pytest.approx(flips.pvalue) and f"p = {flips.pvalue:.2g}" in ours.test
    else:
        assert ours.test == f"paired t test: p = {theirs.pvalue:.2g}"


def test_three_pairs_say_that_they_can_give_no_small_p():
    shown = str(paired([1.0, 2.0, 3.0], [0.5, 1.5, 2.4], unit="nats"))
    assert shown.endswith("(95 %, 3 seeds in pairs; exact sign-flip test: p = 0.25, 3 seeds give at least 0.25)")
    assert sign_flip([0.0, 0.0]) == 1 and "at least" not in paired([1.0] * 6, [0.5, 0.6, 0.4, 0.5, 0.5, 0.3]).test


def test_runs_of_shared_seeds_are_compared_in_pairs(make):
    """Differences .3 and .5 whatever the seed adds: their mean .4, half their interval 12.706 · .1 (t of one degree)."""
    values = {("ae", 1): 1.3, ("ae", 2): 5.5, ("vae", 1): 1.0, ("vae", 2): 5.0, ("vae", 3): 9.0}
    runs = [make(m, s, mse=v) for (m, s), v in values.items()]
    found = between(runs, "mse", "ae", "vae")
    assert (found.difference, found.high) == pytest.approx((0.4, 0.4 + 12.7062 * 0.1), rel=1e-4) and found.n == (2, 2)
    assert "2 seeds in pairs; exact sign-flip test: p = 0.5" in str(found)
    twice = [*runs, make("ae", 1, beta=4, mse=1.0)]  # a seed of two runs is no pair
    assert between(twice, "mse", "ae", "vae").test == ""


def test_between_runs(make):
    runs = [make("ae", 1, mse=0.5), make("ae", 2, mse=0.6), make("vae", 3, mse=0.2), make("vae", 4, mse=0.1)]
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
