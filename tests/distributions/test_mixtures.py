"""Likelihoods with several modes: they sum or integrate to 1, and their samples have their means."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from pushforward.distributions import Categorical, DiscretizedLogistic, GaussianMixture, Likelihood, LogisticMixture
from pushforward.errors import PushforwardError
from pushforward.seeds import generator
from pushforward.spec import DataSpec

GREY = DataSpec((1, 1, 1), 17, 100)
LINE = DataSpec((1,), None, 100, low=-math.inf, high=math.inf)
DISCRETE = {"categorical": partial(Categorical, spec=GREY), "logistic": partial(LogisticMixture, 3, spec=GREY)}


def params(likelihood: Likelihood, n: int = 1) -> Tensor:
    return torch.randn(n, likelihood.n_parameters, *likelihood.spec.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", DISCRETE)
def test_the_masses_of_all_levels_add_up_to_one(name: str) -> None:
    likelihood = DISCRETE[name]()
    x = torch.linspace(0, 1, 17).view(17, 1, 1, 1)
    mass = likelihood.log_prob(params(likelihood).expand(17, -1, -1, -1, -1), x).exp()
    assert likelihood.discrete and float(mass.sum()) == pytest.approx(1, abs=1e-5)
    if name == "categorical":  # of a mixture it is the mean before rounding
        assert float((mass * x.flatten()).sum()) == pytest.approx(float(likelihood.mean(params(likelihood))), abs=1e-5)


def test_a_gaussian_mixture_integrates_to_one() -> None:
    likelihood = GaussianMixture(3, spec=LINE)
    x = torch.linspace(-40, 40, 80_001)[:, None]
    density = likelihood.log_prob(params(likelihood).expand(len(x), -1, -1), x).exp()
    assert float(torch.trapezoid(density, x[:, 0])) == pytest.approx(1, abs=1e-4)
    assert float(torch.trapezoid(density * x[:, 0], x[:, 0])) == pytest.approx(
        float(likelihood.mean(params(likelihood))), abs=1e-3
    )


@pytest.mark.parametrize("name", [*DISCRETE, "gaussian"])
def test_samples_have_the_distribution(name: str) -> None:
    """20,000 draws: the distribution function at 5 places within 4 standard errors, ½/√n each at the most."""
    likelihood: Likelihood = DISCRETE[name]() if name in DISCRETE else GaussianMixture(3, spec=LINE)
    n, own = 20_000, params(likelihood)
    drawn = likelihood.sample(own.expand(n, *own.shape[1:]), likelihood.draw(n, generator("cpu", 0, "draws"))).flatten()
    if likelihood.discrete:
        grid = torch.linspace(0, 1, 17).view(17, 1, 1, 1)
        total = likelihood.log_prob(own.expand(17, *own.shape[1:]), grid).exp().cumsum(0)
        places, wanted = grid.flatten()[::4] + 0.01, total[::4]
    else:
        grid = torch.linspace(-40, 40, 80_001)[:, None]
        density = likelihood.log_prob(own.expand(len(grid), *own.shape[1:]), grid).exp()
        total = torch.cumulative_trapezoid(density, grid[:, 0])
        index = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]).apply_(lambda q: int((total < q).sum())).long()
        places, wanted = grid[index + 1, 0], total[index]
    found = (drawn[:, None] <= places).float().mean(0)
    assert bool(((found - wanted).abs() < 4 * 0.5 / math.sqrt(n)).all())


def test_a_mixture_of_one_logistic_is_the_discretised_logistic() -> None:
    one, mixture = DiscretizedLogistic(spec=GREY), LogisticMixture(1, spec=GREY)
    own, x = params(mixture, 9), torch.linspace(0, 1, 17)[::2].view(9, 1, 1, 1)
    torch.testing.assert_close(mixture.log_prob(own, x), one.log_prob(own[:, 1:], x))


@pytest.mark.parametrize("make", [Categorical, partial(LogisticMixture, 3)])
def test_masses_need_levels(make: type) -> None:
    with pytest.raises(PushforwardError, match="these are real-valued"):
        make(spec=DataSpec((1, 2, 2), None, 100))
