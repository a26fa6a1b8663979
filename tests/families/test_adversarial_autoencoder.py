"""Autoencoders with a critic of codes: who is real, who is moved, and the total correlation at the best critic."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from pushforward.composition import compose
from pushforward.families import AdversarialAutoencoder, FactorVAE
from pushforward.objectives import DensityRatio, GANPass
from pushforward.seeds import generator
from pushforward.spec import Batch, DataSpec
from pushforward.training import build

RECIPES = ["aae", "wae_gan", "factor_vae"]


def family(recipe: str) -> AdversarialAutoencoder | FactorVAE:
    frozen = compose([f"model={recipe}", "data=digits", "network.hidden=[16]", "model.hidden=[8]", "model.code_dim=4"])
    made = build.build_family(frozen, build.build_data(frozen).spec)
    assert isinstance(made, AdversarialAutoencoder | FactorVAE)
    return made


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_players_loss_moves_its_own_parameters_alone(recipe: str) -> None:
    """By gradients with respect to all parameters, of which the other player's are zero or none."""
    made = family(recipe)
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for player in made.players:
        noise = made.draw(player.name, 6, generator("cpu", 0, player.name))
        own = made.parameters_of(player)
        loss = made.loss(player.name, Batch((x * 16).round() / 16), noise)
        grads = torch.autograd.grad(loss.total, list(own.values()), allow_unused=True, retain_graph=True)
        assert all(g is not None for g in grads)
        if player.name == "critic":
            others = [p for name, p in made.named_parameters() if name not in own]
            found = torch.autograd.grad(loss.total, others, allow_unused=True)
            assert all(g is None or float(g.abs().max()) == 0 for g in found)


def test_permuted_codes_have_the_same_marginals() -> None:
    made = family("factor_vae")
    z = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    permuted = made.real(z, made.draw_real(32, generator("cpu", 0, "r")))
    torch.testing.assert_close(permuted.sort(0).values, z.sort(0).values)
    assert not torch.equal(permuted, z)


def test_real_codes_of_an_adversarial_autoencoder_are_draws_of_its_prior() -> None:
    made = family("aae")
    drawn = made.draw_real(20_000, generator("cpu", 0, "r"))
    assert bool((drawn.mean(0).abs() < 4 / math.sqrt(20_000)).all())
    assert made.real(drawn * 0, drawn) is drawn


def test_the_best_critic_gives_a_gaussians_total_correlation() -> None:
    """Its logit is log Πⱼ q(zⱼ)/q(z); the mean over 200,000 draws against ½(Σ ln Σᵢᵢ − ln det Σ), 4 standard errors."""
    covariance = torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
    joint = MultivariateNormal(torch.zeros(2, dtype=torch.float64), covariance)
    product = MultivariateNormal(torch.zeros(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64))
    torch.manual_seed(0)
    z = joint.sample((200_000,))
    score = product.log_prob(z) - joint.log_prob(z)
    found = DensityRatio()(GANPass(z, score, lambda z: z, DataSpec((2,), None, 1), None))
    wanted = -0.5 * math.log(1 - 0.8**2)
    assert abs(float(found.mean()) - wanted) < 4 * float(found.std()) / math.sqrt(len(z))
