"""A run's identity moves with what it trains and with nothing else, is held against the run's, and gives it a name."""

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushforward import config, launch, run_identity
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.runs import Run, every_run, runs_dir


@pytest.fixture(scope="module")
def frozen() -> dict[str, Any]:
    return compose(["model=vae", "data=digits"])


MOVES = [
    "seed=2", "weighting.beta=4", "weighting=warmup", "budget.epochs=21", "batch_size=32", "precision=bf16",
    "model.code_dim=8", "network.hidden=[400]", "network=conv", "optimizer.model.lr=1e-2", "data.validation=100",
    "data.binarize=static", "selection.every=2", "likelihood=gaussian", "trainer=debug",
    "trainer=overfit", "schedule=cosine", "ema=exponential",
]  # fmt: skip
STAYS = [
    "trainer.threads=1", "trainer.devices=2", "trainer=ddp_cpu", "trainer=gpu", "trainer.progress=false",
    "trainer.log_every=1", "logger=none", "logger=wandb", "metrics=none", "features=none", "tags=[a,b]", "retry=stale",
    "budget.epochs=20.0", "weighting.beta=1", "optimizer.model.lr=0.001", "+data.workers=3", "+data.resident_limit_mb=1",
    "+model.later=null",
]  # fmt: skip


def test_identity_cases_found() -> None:
    assert len(MOVES) == 18 and len(STAYS) == 18


@pytest.mark.parametrize("override", MOVES)
def test_what_is_trained_moves_the_identity(override: str, frozen: dict[str, Any]) -> None:
    assert config.identity(compose(["model=vae", "data=digits", override])) != config.identity(frozen)


@pytest.mark.parametrize("override", STAYS)
def test_what_only_runs_or_shows_it_does_not(override: str, frozen: dict[str, Any]) -> None:
    assert config.identity(compose(["model=vae", "data=digits", override])) == config.identity(frozen)


def test_canonical() -> None:
    assert run_identity.canonical({"b": 1.0, "a": None, "c": [2.0, 0.5, {"d": None}]}) == {"b": 1, "c": [2, 0.5, {}]}
    assert run_identity.canonical(True) is True


def test_a_raised_results_number_is_another_run(frozen: dict[str, Any]) -> None:
    changed = copy.deepcopy(frozen)
    changed["results"] += 1
    assert config.identity(changed) != config.identity(frozen)


def test_run_id_is_readable(frozen: dict[str, Any]) -> None:
    assert re.fullmatch(r"vae-digits-s1-[a-z2-7]{12}", config.run_id(frozen))


def test_many_runs_have_many_names() -> None:
    """60 bits: of 100,000 runs two share a name with a probability of 4e-9, of a million with 4e-7."""
    choices = {"model": "vae", "data": "digits"}
    many = ({"choices": choices, "seed": 1, "model": {"x": i}} for i in range(100_000))
    names = {run_identity.names(frozen, config.identity(frozen))[0] for frozen in many}
    assert len(names) == 100_000 and {len(name) for name in names} == {len("vae-digits-s1-") + 12}


def test_two_identities_with_one_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second has a longer name, is trained, and both are found again, in whichever order they are asked for."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    true = run_identity.identity
    monkeypatch.setattr(run_identity, "identity", lambda frozen: "0" * 16 + true(frozen)[16:])
    brief = ["model=ae", "data=digits", "network.hidden=[8]", "budget.images=128", "budget.epochs=null"]
    brief += ["metrics=none", "features=none", "logger=none", "trainer.threads=1", "trainer.progress=false"]
    one, two = (compose([*brief, f"model.code_dim={k}"]) for k in (2, 3))
    assert launch.start(one) == launch.start(two) == 0
    assert config.run_id(one) == "ae-digits-s1-aaaaaaaaaaaa" != config.run_id(two) and config.run_id(two).startswith(
        config.run_id(one)
    )
    monkeypatch.setattr(run_identity, "CLAIMED", {})  # as another process finds them
    for frozen, k in ((two, 3), (one, 2)):
        run = Run(runs_dir() / config.run_id(frozen))
        assert (run.state, run.config["model"]["code_dim"], launch.start(frozen)) == ("finished", k, 0)
        assert run.status["identity"] == run.record["identity"] == run_identity.identity(frozen)
    assert len(every_run()) == 2
    path = runs_dir() / config.run_id(one)
    for answer in (lambda: launch.standing(path, two), lambda: launch.fresh(two, path)):
        with pytest.raises(PushforwardError, match=r"it holds a run of another configuration[^\n]*$"):
            answer()
    (path / "status.json").unlink()  # its config tells the same
    assert run_identity.holder(path) == run_identity.identity(one)


UNUSED = [
    ("model=realnvp", "network=conv"), ("model=ae", "weighting.beta=2"), ("model=gan", "weighting=warmup"),
    ("model=spline_flow", "network.hidden=[7]"), ("model=ddpm", "weighting=capacity"),
]  # fmt: skip


def test_what_the_model_does_not_use_makes_no_other_run() -> None:
    assert len(UNUSED) == 5
    for model, override in UNUSED:
        plain, asked = compose([model]), compose([model, override])
        assert config.identity(asked) == config.identity(plain), override
        key = override.partition("=")[0]
        assert run_identity.unused([asked], [[model, override]]) == (
            f"not used by the model, so no part of the run: {key} ({model.removeprefix('model=')})"
        )
    assert run_identity.unused([compose(["model=vae", "weighting.beta=2"])], [["model=vae", "weighting.beta=2"]]) == ""


def test_own_data_enter_by_content(tmp_path: Path) -> None:
    """The same arrays elsewhere are the same run; other arrays at the same place are another."""
    zeros, ones = np.zeros((4, 8, 8), np.uint8), np.ones((4, 8, 8), np.uint8)
    one, two = tmp_path / "one.npz", tmp_path / "elsewhere" / "two.npz"
    two.parent.mkdir()
    np.savez(one, x=zeros)
    two.write_bytes(one.read_bytes())

    def identity(path: Path) -> str:
        return config.identity(compose(["data=npz", f"data.source.path={path}"]))

    first = identity(one)
    assert identity(two) == first
    np.savez(two, x=ones)
    assert identity(two) != first
