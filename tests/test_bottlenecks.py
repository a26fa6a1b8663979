"""Codes: what each bottleneck computes, what it gives to terms, what it refuses."""

import pytest
import torch

from pushforward.bottlenecks import ACTIVATIONS, Deterministic, Gaussian, Posterior, TopK
from pushforward.errors import PushforwardError


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_deterministic_is_an_activation_of_a_linear_map(activation: str) -> None:
    f = {"identity": lambda a: a, "sigmoid": torch.sigmoid, "relu": torch.relu, "tanh": torch.tanh}[activation]
    bottleneck, h = Deterministic(5, 3, activation), torch.randn(7, 5)
    code = bottleneck(h, bottleneck.noise(7, torch.Generator()))
    torch.testing.assert_close(code.z, f(h @ bottleneck.linear.weight.T + bottleneck.linear.bias))
    assert code.posterior is None and code.z.shape == (7, 3)
    assert ("unit activations" in bottleneck.gives) == (activation == "sigmoid")


def test_gaussian_is_mean_plus_std_times_noise() -> None:
    bottleneck, h = Gaussian(5, 3), torch.randn(7, 5)
    noise = bottleneck.noise(7, torch.Generator().manual_seed(0))
    assert torch.equal(noise, bottleneck.noise(7, torch.Generator().manual_seed(0)))
    code, mean = bottleneck(h, noise), bottleneck(h, None)
    mu, log_std = bottleneck.linear(h).chunk(2, -1)
    assert torch.equal(code.z, mu + log_std.exp() * noise) and torch.equal(mean.z, mu)
    q = torch.distributions.Normal(mu, log_std.exp())
    torch.testing.assert_close(code.posterior.log_prob(code.z), q.log_prob(code.z).sum(-1), rtol=1e-5, atol=1e-5)
    assert isinstance(code.posterior, Posterior) and bottleneck.gives == {"code", "posterior"}


def test_top_k_keeps_the_k_largest() -> None:
    bottleneck, h = TopK(5, 8, 3), torch.randn(7, 5)
    code, linear = bottleneck(h).z, bottleneck.linear(h)
    assert ((code != 0).sum(1) == 3).all()
    threshold = linear.sort(1, descending=True).values[:, 2:3]
    assert torch.equal(code, torch.where(linear >= threshold, linear, 0.0))
    code.sum().backward()  # the gradient reaches what is kept, and nothing else
    kept = (linear >= threshold).float()
    torch.testing.assert_close(bottleneck.linear.bias.grad, kept.sum(0))


def test_refusals_name_value_and_choices() -> None:
    with pytest.raises(PushforwardError, match=r"activation=sine: choose from identity, sigmoid, relu, tanh"):
        Deterministic(5, 3, "sine")
    for k in (0, 9):
        with pytest.raises(PushforwardError, match=rf"k={k}: it must lie between 1 and the code's 8 dimensions"):
            TopK(5, 8, k)
