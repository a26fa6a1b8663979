"""Autoregressive models: a distribution over all images, and samples from it."""

import itertools
import math
from typing import Any

import pytest
import torch

from pushforward.distributions import Bernoulli, Categorical, GaussianMixture
from pushforward.families import Autoregressive, Tuning
from pushforward.networks import MLP, PixelCNN
from pushforward.objectives import NegativeLogLikelihood
from pushforward.seeds import generator
from pushforward.spec import DataSpec

BINARY, GREY = DataSpec((1, 4, 4), 2, 100), DataSpec((1, 1, 3), 4, 100)
PLANE = DataSpec((2,), None, 100, low=-math.inf, high=math.inf)


def model(spec: DataSpec, network: Any, likelihood: Any) -> Autoregressive:
    torch.manual_seed(0)
    tuning = Tuning(torch.optim.Adam, 1e-3)
    return Autoregressive(spec, network, likelihood, {"nll": NegativeLogLikelihood(1.0)}, {"model": tuning}).eval()


@pytest.mark.parametrize("network", [MLP((32,)), PixelCNN(8, 1, 3)])
def test_the_masses_of_all_images_add_up_to_one(network: Any) -> None:
    """All 2⁹ images that are black in the last 7 of 16 pixels, whose mass given the rest is summed by the factors."""
    family = model(BINARY, network, Bernoulli)
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=16)))[:: 2**4].view(-1, 1, 4, 4)
    # of the last 4 pixels all 16 cases add up to 1 for each of these 2¹² beginnings
    params = family.network(every)
    first = Bernoulli(spec=DataSpec((1, 3, 4), 2, 1)).log_prob(params[:, :, :, :3], every[:, :, :3])
    assert float(first.exp().sum()) == pytest.approx(1, abs=1e-4)


def test_levels_of_three_pixels() -> None:
    family = model(GREY, MLP((32,)), Categorical)
    every = torch.tensor(list(itertools.product(range(4), repeat=3))).float().view(-1, 1, 1, 3) / 3
    found = family.log_prob(every, generator("cpu", 0, "p"))
    assert found.kind == "exact" and not found.density
    assert float(found.values.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_samples_have_the_models_distribution() -> None:
    """Each of the 64 images of three pixels within 4 standard errors of its mass, 20,000 draws."""
    family, n = model(GREY, MLP((32,)), Categorical), 20_000
    every = torch.tensor(list(itertools.product(range(4), repeat=3))).float().view(-1, 1, 1, 3) / 3
    mass = family.log_prob(every, generator("cpu", 0, "p")).values.exp().detach()
    with torch.no_grad():
        x = family.sample(n, generator("cpu", 0, "s"))
    index = ((x * 3).round().flatten(1) @ torch.tensor([16.0, 4.0, 1.0])).long()
    found = torch.bincount(index, minlength=64) / n
    assert bool(((found - mass).abs() < 4 * (mass * (1 - mass) / n).sqrt() + 1e-9).all())


def test_points_integrate_to_one() -> None:
    family = model(PLANE, MLP((16,)), lambda spec: GaussianMixture(2, spec=spec))
    grid = torch.linspace(-12, 12, 241)
    x = torch.cartesian_prod(grid, grid)
    found = family.log_prob(x, generator("cpu", 0, "p"))
    assert found.density and float(found.values.exp().sum()) * 0.1**2 == pytest.approx(1, abs=0.01)
