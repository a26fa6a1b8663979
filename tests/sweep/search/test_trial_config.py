"""What a proposal is composed to, and what a search refuses before anything is run."""

from pathlib import Path
from typing import Any

import pytest
from hydra.types import RunMode
from omegaconf import DictConfig

from pushforward import composition, config
from pushforward.config_errors import REFUSALS, explain
from pushforward.errors import PushforwardError
from pushforward.sweep.search.search_space import parse
from pushforward.sweep.search.study_config import settings
from pushforward.sweep.search.trial_config import Composer

BASE = ["model=vae", "budget.epochs=2"]


@pytest.fixture
def loader() -> tuple[Any, DictConfig]:
    loader = composition.Loader()
    return loader, loader.load_configuration("train", [], run_mode=RunMode.RUN)


def composer(loader: tuple[Any, DictConfig], space: Any, *overrides: str) -> Composer:
    return Composer(*loader, [*BASE, *overrides], parse(space))


def test_a_proposal_is_the_run_that_its_overrides_make(loader: tuple[Any, DictConfig]) -> None:
    """By identity: a run that a grid has finished answers a search, and the other way round."""
    space = {
        "network": {"choice": ["mlp", "conv"]},
        "weighting.beta": {"log": [0.1, 10]},
        "model.code_dim": {"int": [2, 32]},
        "optimizer.model.lr": {"log": [1e-4, 1e-2]},
    }
    params = {"network": "conv", "weighting.beta": 0.1 + 0.2, "model.code_dim": 7, "optimizer.model.lr": 1e-3 / 3}
    found = composer(loader, space, "seed=3")(params)
    wanted = composition.compose([*BASE, "seed=3", *(f"{key}={value}" for key, value in params.items())])
    assert config.run_id(found) == config.run_id(wanted)
    assert found == wanted
    assert found["model"]["objective"]["kl"]["weight"]["beta"] == 0.1 + 0.2, "interpolated after it was set"


def test_the_files_are_read_once(loader: tuple[Any, DictConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    made = composer(loader, {"network": {"choice": ["mlp", "conv"]}, "seed": {"int": [1, 9]}})
    monkeypatch.setattr(type(loader[0]), "load_sweep_config", None)
    assert made({"network": "conv", "seed": 4})["choices"]["network"] == "conv"
    assert len({config.run_id(f) for f in made.corners}) == 4


@pytest.mark.parametrize(
    ("space", "overrides", "why"),
    [
        ({"weighting.bta": {"log": [0.1, 10]}}, (), r"weighting\.bta: there is no such key; did you mean beta\?"),
        ({"network": {"choice": ["mlp", "cnov"]}}, (), r"network=cnov: there is no such option; did you mean conv\?"),
        (
            {"network": {"int": [1, 2]}},
            (),
            r"study\.space\.network: it is a group; write \{choice: \[option, option\]\}",
        ),
        ({"seed": {"float": [0, 1]}}, (), r"seed=0\.\d+: it must be a whole number"),
        ({"batch_size": {"int": [0, 8]}}, (), r"batch_size=0: it must be a whole number of at least 1"),
        ({"seed": {"int": [1, 9]}}, ("seed=3",), r"seed=3: the study searches seed; leave the override out"),
        ({"seed": {"int": [1, 9]}}, ("batch_size=32,64",), r"batch_size=32,64: a search takes one value of a key"),
    ],
)
def test_what_is_wrong_is_said_before_any_run(
    loader: tuple[Any, DictConfig], space: Any, overrides: tuple[str, ...], why: str
) -> None:
    with pytest.raises(PushforwardError, match=why):
        try:
            composer(loader, space, *overrides)
        except REFUSALS as error:
            raise PushforwardError(explain(error, loader[0].without_errors(BASE))) from None


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ({"tirals": 3}, r"study\.tirals: there is no such key; did you mean trials\?"),
        ({"trials": None}, r"study\.trials: say how many in all"),
        ({"trials": 0}, r"study\.trials=0: it must be a whole number from 1 to"),
        ({"sampler": "tep"}, r"study\.sampler=tep: did you mean tpe\?"),
        ({"pruner": "medain"}, r"study\.pruner=medain: did you mean median\?"),
        ({"metric": []}, r"study\.metric: name at least one"),
        ({"direction": "down"}, r"study\.direction=down: choose from minimize, maximize"),
        ({"metric": ["val/kl", "val/total"], "direction": ["minimize"]}, r"1 directions for 2 metrics"),
        ({"metric": "fd_lenet"}, r"study\.metric=fd_lenet: no run here says which way it is better"),
        ({"pruner_options": 3}, r"study\.pruner_options=3: write \{name: value\}"),
    ],
)
def test_what_a_study_asks_for_is_checked(node: Any, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    with pytest.raises(PushforwardError, match=why) as caught:
        settings({"trials": 3, "space": {"seed": {"int": [1, 9]}}, **node}, "s")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (
            {"sampler_options": {"n_startup": 3}},
            r"study\.sampler_options\.n_startup: .* did you mean n_startup_trials\?",
        ),
        (
            {"sampler": "grid", "sampler_options": {"x": 3}},
            r"sampler_options\.x: there is no such option; it takes none",
        ),
        ({"pruner": "median", "pruner_options": {"n_warmup": 1}}, r"pruner_options\.n_warmup: .*n_warmup_steps"),
        ({"pruner": "median", "pruner_options": {"n_startup_trials": -1}}, r"study\.pruner_options=.*-1"),
        ({"sampler": "cmaes"}, r"study\.sampler=cmaes: it needs two numbers or more"),
        ({"sampler": "cmaes", "metric": ["val/kl", "val/total"]}, r"study\.sampler=cmaes: it takes one metric"),
    ],
)
def test_options_are_those_of_optuna(node: Any, why: str, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    from pushforward.sweep.search.study import Study

    with pytest.raises(PushforwardError, match=why):
        Study(settings({"trials": 3, "space": {"seed": {"int": [1, 9]}}, **node}, "s"), tmp_path)
    assert not list(tmp_path.iterdir())
