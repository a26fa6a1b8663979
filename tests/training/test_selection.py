"""What may be chosen, and when: no weights while the objective still changes."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushforward.composition import compose
from pushforward.runs import Run, RunDir
from pushforward.signals import Requests
from pushforward.sweep.search.objective import validations, value
from pushforward.training import build
from pushforward.training.evaluate import choose
from pushforward.training.train import train

Compose = Callable[..., dict[str, Any]]

MOVING = [
    (("weighting=constant",), 0.0),
    (("weighting=free_bits",), 0.0),
    (("weighting=warmup", "weighting.epochs=2"), 2.0),
    (("weighting=capacity", "weighting.epochs=2"), 2.0),
    (("weighting=capacity", "weighting.epochs=9"), math.inf),
    (("weighting=cyclical", "weighting.period=1"), math.inf),
]


def chosen(frozen: dict[str, Any], path: Path) -> dict[str, Any]:
    """What a card says of the weights that a run's numbers are of."""
    return choose(RunDir(path), build.build_family(frozen, build.build_data(frozen).spec), frozen)


@pytest.mark.parametrize(("weighting", "settled"), MOVING, ids=lambda v: v[0] if isinstance(v, tuple) else "")
def test_nothing_is_chosen_before_the_objective_has_settled(
    small: Compose, tmp_path: Path, weighting: tuple[str, ...], settled: float
) -> None:
    """Weights, a search's value and its pruner look at the same validations; where there are none, the last weights count."""
    frozen = small("model=beta_vae", *weighting, "budget.epochs=4", "selection.every=0.5")
    assert train(frozen, tmp_path / "run") == 0
    run, n = Run(tmp_path / "run"), 1257
    card, curves = chosen(frozen, run.path), run.curves()
    there = curves["images_seen"] >= settled * n
    judged = {
        int(seen): float(v) for seen, v in zip(curves["images_seen"], curves["val/criterion"], strict=True) if v == v
    }
    may = {seen: v for seen, v in judged.items() if seen >= settled * n}
    assert validations(run) == list(may.items())
    if math.isinf(settled):
        assert card["weights"] == "last" and card["at_images"] == max(judged) and not there.any()
        assert card["chosen_by"] == "nothing: the objective still changes when the budget ends"
        assert value(run, "val/criterion") == judged[max(judged)]
    else:
        assert card["weights"] == "best" and card["at_images"] == min(may, key=may.__getitem__)
        assert ("until then the objective changes" in card["chosen_by"]) == (settled > 0)
        assert value(run, "val/criterion") == min(may.values())


def test_capacity_by_default_keeps_no_weights_from_before_its_end() -> None:
    """`model=beta_vae weighting=capacity data=digits` kept epoch 1.6 of 20, where C was 4 of 25 nats."""
    frozen = compose(["model=beta_vae", "weighting=capacity", "data=digits"])
    data = build.build_data(frozen)
    family = build.build_family(frozen, data.spec)
    images = build.budget_images(frozen, data.spec)
    assert build.settled_images(family, images) == 10 * 1257 < images == 20 * 1257


def test_one_weight_that_moves_is_enough_in_any_family() -> None:
    moving = "model.objective.critic.adversarial.weight={_target_: pushforward.objectives.Warmup, beta: 1, epochs: 3, start: 0}"
    frozen = compose(["model=gan", "data=digits", moving])
    assert build.build_family(frozen, build.build_data(frozen).spec).settled() == 3.0


def test_stacked_runs_choose_each_by_its_own_schedule(small: Compose, tmp_path: Path) -> None:
    from pushforward.training.stacked_runs import train as train_stacked

    common = ("model=beta_vae", "weighting=warmup", "budget.epochs=4", "selection.every=0.5")
    runs = [(small(*common, f"weighting.epochs={e}", "weighting.beta=4"), RunDir(tmp_path / str(e))) for e in (1, 3, 9)]
    for _, run in runs:
        assert run.lock.acquire()
    train_stacked(runs, Requests())
    cards = [chosen(frozen, run.path) for frozen, run in runs]
    assert [card["weights"] for card in cards] == ["best", "best", "last"]
    assert [card["at_images"] >= epochs * 1257 for card, epochs in zip(cards, (1, 3), strict=False)] == [True, True]
    assert np.isfinite(Run(runs[2][1].path).curves()["val/criterion"]).any()
