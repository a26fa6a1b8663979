"""The notation of a search space: what it means, and what is refused in one line."""

import math
from typing import Any

import pytest

from pushforward.errors import PushforwardError
from pushforward.sweep.search.search_space import Dimension, parse


def one(node: Any) -> Dimension:
    return parse({"a.b": node})[0]


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (None, r"study\.space\.a\.b=None: write a kind and its range"),
        ({"lgo": [1, 2]}, r"study\.space\.a\.b: lgo is no kind of range; did you mean log\?"),
        ({"uniform": [1, 2]}, r"uniform is no kind of range; choose one of float, log, int, log_int, choice"),
        ({"int": [1, 2], "log": [1, 2]}, r"log and int is no kind of range; choose one of"),
        ({"log": [0, 1]}, r"study\.space\.a\.b\.log=\[0, 1\]: a logarithm needs ends above 0"),
        ({"float": [2, 1]}, r"the lowest comes first: \[1, 2\]"),
        ({"float": [1]}, r"give two numbers, the lowest and the highest"),
        ({"int": [0.5, 2]}, r"give two whole numbers"),
        ({"int": [1, 8], "points": 2}, r"study\.space\.a\.b\.points: there is no such key; beside int stands step"),
        ({"float": [0, 1], "step": 0}, r"study\.space\.a\.b\.step=0: it must be above 0"),
        ({"choice": "mlp"}, r"study\.space\.a\.b\.choice=mlp: give a list, such as \[mlp, conv\]"),
        ({"choice": [1, True]}, r"a value stands there twice"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_remedy(node: Any, why: str) -> None:
    with pytest.raises(PushforwardError, match=why) as caught:
        one(node)
    assert "\n" not in str(caught.value)


def test_an_empty_space_is_refused() -> None:
    for empty in (None, {}, []):
        with pytest.raises(PushforwardError, match=r"study\.space: it is empty"):
            parse(empty)


@pytest.mark.parametrize(
    ("node", "count", "ends"),
    [
        ({"float": [-1, 3]}, None, (-1.0, 3.0)),
        ({"float": [0, 1], "step": 0.1}, 11, (0.0, 1.0)),
        ({"log": [0.1, 10]}, None, (0.1, 10.0)),
        ({"int": [2, 32]}, 31, (2, 32)),
        ({"int": [2, 32], "step": 10}, 4, (2, 32)),
        ({"log_int": [16, 512]}, 497, (16, 512)),
        ({"choice": ["mlp", "conv"]}, 2, ("mlp", "conv")),
        ({"choice": [[64], [256, 128]]}, 2, ([64], [256, 128])),
        ({"choice": [1, 2.5, False, None, "1"]}, 5, (1, "1")),
    ],
)
def test_its_ends_and_how_many_values_it_has(node: Any, count: int | None, ends: tuple[Any, Any]) -> None:
    d = one(node)
    assert d.count == count and d.continuous == (count is None)
    found = d.value(d.at(0.0)), d.value(d.at(1 - 1e-12))
    assert found == (pytest.approx(ends) if isinstance(ends[0], float) else ends)
    assert [type(v) for v in found] == [type(v) for v in ends]


def test_quantiles_are_even_in_the_value_or_its_logarithm() -> None:
    assert one({"float": [0, 8]}).at(0.25) == 2
    assert one({"log": [0.01, 100]}).at(0.5) == pytest.approx(1)
    counts: dict[int, int] = {}
    for i in range(900):
        v = one({"int": [1, 9]}).at(i / 900)
        counts[v] = counts.get(v, 0) + 1
    assert counts == dict.fromkeys(range(1, 10), 100)
    low = sum(one({"log_int": [1, 64]}).at(i / 1000) <= 8 for i in range(1000))
    assert low == pytest.approx(1000 * math.log(17) / math.log(129), abs=2)  # ln(8.5/0.5) of ln(64.5/0.5)


def test_a_grid_needs_points_of_what_has_no_end() -> None:
    assert one({"log": [0.1, 10], "points": 3}).grid() == pytest.approx([0.1, 1, 10])
    assert one({"float": [0, 1], "step": 0.25}).grid() == [0, 0.25, 0.5, 0.75, 1]
    assert one({"int": [2, 8], "step": 3}).grid() == [2, 5, 8]
    with pytest.raises(PushforwardError, match=r"study\.space\.a\.b: a grid needs to know how many values: add points"):
        one({"float": [0, 1]}).grid()


def test_optuna_takes_it_as_it_is_meant() -> None:
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    nodes = [{"float": [0, 1]}, {"log": [1e-4, 1]}, {"int": [2, 8], "step": 2}, {"log_int": [1, 64]}]
    for node in [*nodes, {"choice": [[64], [256, 128]]}, {"choice": [1, 2.5, False, None, "1"]}]:
        d = one(node)
        seen = []
        for _ in range(40):
            seen.append(d.value(study.ask({repr(node): d.distribution()}).params[repr(node)]))
        assert all(min(d.grid()) <= v <= max(d.grid()) for v in seen) if "int" in d.kind else True
        if d.kind == "choice":
            assert {repr(v) for v in seen} == {repr(v) for v in d.values}
        elif d.continuous:
            assert len(set(seen)) == 40 and all(d.low <= v <= d.high for v in seen)
