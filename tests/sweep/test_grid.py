"""A grid that cannot be is refused before a job of it is composed."""

import pytest
from hydra.types import RunMode

from pushforward.composition import ROOT, Loader
from pushforward.errors import PushforwardError
from pushforward.overrides import read
from pushforward.sweep.grid import MOST_JOBS, check_models, check_size


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["seed=1..100000000"], "100,000,000 jobs, and one command takes 10,000"),
        (["seed=range(1,100000000)"], "99,999,999 jobs"),
        (["seed=1..101", "model.code_dim=1..100"], "10,100 jobs"),
        (["model=ae,vae", "seed=1..5001"], "10,002 jobs"),
        (["optimizer.model.lr=interval(1e-4,1e-2)"], "a grid takes values and no interval; search one with study=NAME"),
    ],
)
def test_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(PushforwardError, match=said):
        check_size(Loader(), read(arguments, several=True))


def test_taken() -> None:
    check_size(Loader(), read([f"seed=1..{MOST_JOBS}"], several=True))
    check_size(
        Loader(), read(["model=ae,vae", "seed=1..3", "budget.epochs=2", "weighting.beta=range(0,1,0.25)"], several=True)
    )


def test_a_key_of_some_models_names_them() -> None:
    loader = Loader()
    master = loader.load_configuration(ROOT, [], RunMode.MULTIRUN)
    asked = read(["model=ae,vae,gan", "optimizer.model.lr=1e-3,1e-4"], several=True)
    with pytest.raises(PushforwardError, match="of the grid it fits ae, vae, and not gan"):
        check_models(loader, master, asked)
    check_models(loader, master, read(["model=ae,vae", "optimizer.model.lr=1e-3"], several=True))
    check_models(
        loader, master, read(["model=ae,vae", "no.such.key=1"], several=True)
    )  # of none: the error itself says so
