"""Trained priors: they integrate to 1, their samples have their density, and they begin where they say."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from pushforward.priors import FlowPrior, GaussianMixturePrior, Prior
from pushforward.seeds import generator


def moved(prior: Prior) -> Prior:
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=noise))
    return prior


def priors() -> dict[str, Prior]:
    torch.manual_seed(0)
    return {
        "mixture": moved(GaussianMixturePrior(3, 1.0, code_dim=2)),
        "flow": moved(FlowPrior(2, [8], code_dim=2)),
    }


@pytest.mark.parametrize("name", ["mixture", "flow"])
def test_it_integrates_to_one_and_samples_have_its_mean(name: str) -> None:
    """On a grid of width 0.05 to ±12; the mean of 40,000 draws within 4 standard errors of the grid's."""
    prior, axis = priors()[name], torch.arange(-12, 12, 0.05)
    z = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        density = prior.log_prob(z).exp() * 0.05**2
        drawn = prior.sample(40_000, generator("cpu", 0, "s"))
    assert float(density.sum()) == pytest.approx(1, abs=1e-3)
    mean = (density[:, None] * z).sum(0)
    assert bool(((drawn.mean(0) - mean).abs() < 4 * drawn.std(0) / 200 + 1e-3 * 12).all())


def test_a_mixture_against_torch() -> None:
    prior = priors()["mixture"]
    assert isinstance(prior, GaussianMixturePrior)
    mixture = MixtureSameFamily(
        Categorical(logits=prior.logits), Independent(Normal(prior.means, prior.log_stds.exp()), 1)
    )
    z = torch.randn(7, 2)
    torch.testing.assert_close(prior.log_prob(z), mixture.log_prob(z))


def test_a_flow_begins_as_the_standard_normal() -> None:
    z = torch.randn(7, 4)
    wanted = -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
    torch.testing.assert_close(FlowPrior(3, [8], code_dim=4).log_prob(z), wanted)
