"""Best, last and averaged weights of a run, measured beside each other: real runs of an epoch."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.conftest import Compose

from pushforward import config
from pushforward.cli import main
from pushforward.errors import PushforwardError
from pushforward.runs import Run, by_weights, pack, runs_dir, unpack
from pushforward.training import checkpoints
from pushforward.training.evaluate import sets_wanted
from pushforward.training.evaluate_again import evaluate_again
from pushforward.training.load_run import Trained
from pushforward.training.train import train

MEASURED = ("model=ae", "budget.epochs=1", "selection.every=0.5", "+measure@metrics.reconstruction=reconstruction")


def trained(frozen: dict[str, Any]) -> Run:
    path = runs_dir() / config.run_id(frozen)
    assert train(frozen, path) == 0
    return Run(path)


def spoil_best(run: Run) -> None:
    """Gives the checkpoint that validation chose weights of its own: of so short a run it is that of the last step."""
    path = run.checkpoints / checkpoints.BEST
    state = checkpoints.load(path)
    halved = {part: {name: value / 2 for name, value in state[part].items()} for part in ("state_dict", "ema")}
    checkpoints.write(path, {**state, **halved})


def mse(run: Run, weights: dict[str, Any]) -> float:
    """The mean squared error of reconstructions of the test images by some weights."""
    known = Trained(run)
    known.family.load_state_dict(weights)
    x = known.data.tensor("test")
    with torch.no_grad():
        return float((known.family.reconstruct(x) - x).square().double().mean())  # type: ignore[operator]


def found(run: Run) -> dict[str, float]:
    return {str(one.weights): one.metrics["mse"]["value"] for one in by_weights([Run(run.path)])}


def test_each_set_is_measured_and_what_was_there_stays(small: Compose, tmp_path: Path) -> None:
    run = trained(small(*MEASURED, "ema=exponential", "ema.decay=0.9"))
    spoil_best(run)
    evaluate_again(run, [])  # the chosen weights are other ones now
    before = json.loads((run.path / "record.json").read_text())
    arrays = {path.name: path.read_bytes() for path in run.arrays.iterdir()}
    said, failed = evaluate_again(Run(run.path), [], weights=["last", "ema"])
    best, last = (checkpoints.load(run.checkpoints / name) for name in (checkpoints.BEST, checkpoints.LAST))
    expected = {
        "best": mse(run, {**best["state_dict"], **best["ema"]}),
        "last": mse(run, last["state_dict"]),
        "ema": mse(run, {**last["state_dict"], **last["ema"]}),
    }
    assert len(set(expected.values())) == 3
    assert found(run) == pytest.approx(expected, rel=1e-5) and list(found(run)) == ["best", "last", "ema"]
    after = json.loads((run.path / "record.json").read_text())
    assert {key: value for key, value in after.items() if key != "weights"} == before
    assert {path.name: path.read_bytes() for path in run.arrays.iterdir()} == arrays
    cards = {one.weights: one.metrics["mse"]["card"] for one in by_weights([Run(run.path)])}
    assert {name: card["weights"] for name, card in cards.items()} == {
        "best": "best (EMA)", "last": "last", "ema": "last (EMA)",
    }  # fmt: skip
    assert cards["last"]["command"] == f"pushforward evaluate {run.id} weights=last,ema"
    assert not failed and "\n  weights last: mse " in said and "\n  weights ema: mse " in said
    pack([Run(run.path)], tmp_path / "a.json.gz")
    carried = by_weights(unpack(tmp_path / "a.json.gz"))
    assert {one.weights: one.metrics["mse"] for one in carried} == {
        one.weights: one.metrics["mse"] for one in by_weights([Run(run.path)])
    }


def test_at_the_end_of_training_and_afterwards_the_numbers_are_the_same(small: Compose) -> None:
    settings = ("ema=exponential", "ema.decay=0.9", "selection.metric=none")
    run = trained(small(*MEASURED, *settings, "+metrics.weights=[best,last,ema]"))
    at_end = json.loads((run.path / "record.json").read_text())
    assert run.key("weights") == "ema" and set(at_end["weights"]) == {"best", "last"}
    assert at_end["weights"]["best"] == {
        "metrics": {}, "na": "validation chose no weights (selection.metric=none)",
    }  # fmt: skip
    # the pictures are of the chosen weights, whatever was measured in between
    kept = Trained(run)
    with torch.no_grad():
        shown = kept.family.reconstruct(kept.data.tensor("test")[:16])  # type: ignore[operator]
    import numpy as np

    assert np.allclose(np.load(run.arrays / "reconstructions.npz")["reconstruction"], shown.numpy(), atol=1e-6)
    evaluate_again(run, [])
    again = Run(run.path)
    for one, other in zip(by_weights([run]), by_weights([again]), strict=True):
        assert one.weights == other.weights and one.metrics["mse"]["value"] == other.metrics["mse"]["value"]


def test_a_run_without_a_set_has_the_reason(small: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(small(*MEASURED))
    with pytest.raises(SystemExit) as done:
        main(["evaluate", run.id, "weights=last,ema"])
    assert not done.value.code
    entry = {one.weights: one for one in by_weights([Run(run.path)])}["ema"].metrics["mse"]
    assert entry["value"] is None and entry["na"].startswith("its weights have no moving average")
    assert f"weights ema: n/a: {entry['na']}" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["weights=newest", "weights=best,", "weights="])
def test_names_of_no_set_are_refused_in_a_line(small: Compose, capsys: pytest.CaptureFixture[str], word: str) -> None:
    small()
    with pytest.raises(SystemExit) as done:
        main(["evaluate", "latest", word])
    text = capsys.readouterr().err
    assert done.value.code == 2 and text.count("\n") == 1 and "choose from best, last, ema" in text


def test_a_config_that_names_no_set_is_refused() -> None:
    assert sets_wanted({"weights": ["last", "last"]}) == ["last"] and sets_wanted({"weights": None}) == []
    with pytest.raises(
        PushforwardError, match=r"metrics\.weights: 'newest' is no set of weights; choose from best, last"
    ):
        sets_wanted({"weights": ["newest"]})
