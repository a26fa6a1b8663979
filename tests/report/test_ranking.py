"""Who is bold: the level of the test over simulated tables, and estimates beside exact values and bounds."""

import math

import numpy as np
import pytest

from pushforward.report.ranking import LEVEL, differ, rank
from pushforward.report.table_layout import Cell, Column, Row
from pushforward.report.tables import build, relation


def bold(*rows: tuple[float, ...], better: str = "lower", relations: str = "") -> list[bool]:
    """Which rows of one column are bold, given each row's values over seeds."""
    cells = [Cell("value", tuple(map(float, values))) for values in rows]
    for cell, mark in zip(cells, relations, strict=False):
        cell.relation = mark.strip()
    rank(0, Column("m", better=better), [Row((str(i),), [cell]) for i, cell in enumerate(cells)])
    return [cell.bold for cell in cells]


@pytest.mark.parametrize("spread", [1.0, 10.0])
def test_of_two_equal_models_one_alone_is_bold_at_the_nominal_share(spread):
    """4,000 tables of 3 seeds: Welch's test rejects in at most 5 %; a simulated share has an error of √(p(1−p)/4000).

    Below: at equal spreads and 3 + 3 seeds Welch's test is known to be conservative; half of the level is left of it.
    """
    tables, rng = 4000, np.random.default_rng(0)
    draws = rng.normal(size=(tables, 2, 3)) * np.array([1.0, spread])[:, None]
    alone = sum(bold(*table) in ([True, False], [False, True]) for table in draws) / tables
    error = math.sqrt(LEVEL * (1 - LEVEL) / tables)
    assert LEVEL / 2 - 3 * error < alone < LEVEL + 3 * error


def test_of_several_equal_models_each_is_left_out_at_most_in_half_of_the_level():
    """1,500 tables of 6 rows, each left out with p ≤ 2.5 %. Rows of a table depend on each other: so the error is tables'."""
    tables, rng = 1500, np.random.default_rng(1)
    left_out = [1 - np.mean(bold(*table)) for table in rng.normal(size=(tables, 6, 3))]
    assert np.mean(left_out) < LEVEL / 2 + 3 * np.std(left_out) / math.sqrt(tables)


def test_models_that_are_apart_are_told_apart():
    assert bold((1.0, 1.1, 0.9), (3.0, 3.1, 2.9), (5.0, 5.1, 4.9)) == [True, False, False]
    assert bold((1.0, 1.1, 0.9), (3.0, 3.1, 2.9), better="higher") == [False, True]
    assert bold((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (2.0, 2.0, 2.0)) == [True, True, False]  # no spread at all


def test_a_single_seed_is_judged_by_the_others_spread():
    """t(2, 97.5 %) = 4.30 and √(4/3) of the deviation .1: .49 is no difference, and of one seed nothing is known of its own."""
    assert not differ((1.0, 1.1, 0.9), (1.48,), LEVEL) and differ((1.0, 1.1, 0.9), (1.51,), LEVEL)
    assert bold((1.0, 1.1, 0.9), (1.4,)) == [False, False]  # a tie with one of fewer than three seeds
    assert differ((1.0,), (1.1,), LEVEL) and not differ((1.0,), (1.0,), LEVEL)


LOW, MIDDLE, HIGH = (1.0, 1.1, 0.9), (3.0, 3.1, 2.9), (5.0, 5.1, 4.9)


@pytest.mark.parametrize(
    ("better", "relations", "expected"),
    [
        ("lower", "≈≤=", [False, True, False]),
        ("lower", "≈=≤", [False, True, False]),
        ("lower", "≤≈=", [True, False, False]),
        ("lower", "≈≈≈", [True, False, False]),
        ("lower", "≈≈=", [False, False, False]),  # one value alone has no rival
        ("lower", "≈  ", [False, True, False]),
        ("higher", "≥=≈", [False, True, False]),
        ("higher", "==≤", [False, True, False]),  # a bound on the other side promises more than its model may give
    ],
)
def test_an_estimate_never_beats_a_bound_or_an_exact_value(better, relations, expected):
    assert bold(LOW, MIDDLE, HIGH, better=better, relations=relations) == expected


def test_the_notes_say_what_bold_means_and_what_was_not_ranked(make):
    runs = [
        make(model, seed, bpd=(value + seed / 100, {"kind": kind}))
        for model, value, kind in (("ddpm", 1.0, "estimate"), ("vae", 2.0, "lower bound"), ("realnvp", 3.0, "exact"))
        for seed in range(3)
    ]
    table = build(runs)
    assert [table.cell(m, "bpd").bold for m in ("ddpm", "vae", "realnvp")] == [False, True, False]
    text = " ".join(table.notes)
    assert "never bold beside exact values and bounds: estimates (≈) of bpd" in text
    assert "Welch's t test" in text and "at least 3 seeds" in text


def test_seeds_measured_in_several_ways_are_as_sure_as_the_least():
    assert relation({"lower bound", "estimate"}, "lower") == relation({"exact", "estimate"}, "lower") == "≈"
    assert relation({"exact", "lower bound"}, "lower") == "≤"
