"""Codes: what each bottleneck computes, what it gives to terms, what it refuses."""

import pytest
import torch
from torch import Tensor

from pushforward.bottlenecks import ACTIVATIONS, Deterministic, Gaussian, GaussianPosterior, TopK, flat, shaped
from pushforward.errors import PushforwardError


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_deterministic_is_an_activation_of_a_linear_map(activation: str) -> None:
    f = {"identity": lambda a: a, "sigmoid": torch.sigmoid, "relu": torch.relu, "tanh": torch.tanh}[activation]
    bottleneck, h = Deterministic((5,), 3, activation), torch.randn(7, 5)
    code = bottleneck(h, bottleneck.noise(7, torch.Generator()))
    torch.testing.assert_close(code.z, f(h @ bottleneck.linear.weight.T + bottleneck.linear.bias))
    assert code.posterior is None and code.z.shape == (7, 3)
    assert ("unit activations" in bottleneck.gives) == (activation == "sigmoid")


def test_gaussian_is_mean_plus_std_times_noise() -> None:
    bottleneck, h = Gaussian((5,), 3), torch.randn(7, 5)
    noise = bottleneck.noise(7, torch.Generator().manual_seed(0))
    assert torch.equal(noise, bottleneck.noise(7, torch.Generator().manual_seed(0)))
    code, mean = bottleneck(h, noise), bottleneck(h, None)
    mu, log_std = bottleneck.linear(h).chunk(2, -1)
    assert torch.equal(code.z, mu + log_std.exp() * noise) and torch.equal(mean.z, mu)
    q = torch.distributions.Normal(mu, log_std.exp())
    torch.testing.assert_close(code.posterior.log_prob(code.z), q.log_prob(code.z).sum(-1), rtol=1e-5, atol=1e-5)
    assert isinstance(code.posterior, GaussianPosterior) and bottleneck.gives == {
        "code",
        "posterior",
        "Gaussian posterior",
    }


def test_top_k_keeps_the_k_largest() -> None:
    bottleneck, h = TopK((5,), 8, 3), torch.randn(7, 5)
    code, linear = bottleneck(h).z, bottleneck.linear(h)
    assert ((code != 0).sum(1) == 3).all()
    threshold = linear.sort(1, descending=True).values[:, 2:3]
    assert torch.equal(code, torch.where(linear >= threshold, linear, 0.0))
    code.sum().backward()  # the gradient reaches what is kept, and nothing else
    kept = (linear >= threshold).float()
    torch.testing.assert_close(bottleneck.linear.bias.grad, kept.sum(0))


def test_codes_of_a_map_are_those_of_its_places() -> None:
    h = torch.randn(7, 5, 2, 3)
    noise = torch.randn(7, 4 * 2 * 3)
    for kind in (Deterministic, Gaussian):
        on_map, on_place = kind((5, 2, 3), 4), kind((5,), 4)
        on_place.linear.weight.data, on_place.linear.bias.data = on_map.linear.weight[:, :, 0, 0], on_map.linear.bias
        code = on_map(h, noise)
        assert code.z.shape == (7, 4, 2, 3) and on_map.shapes == ((4, 2, 3),) and on_map.dim == 24
        here = on_place(h[:, :, 1, 2], noise.view(7, 4, 2, 3)[:, :, 1, 2])
        torch.testing.assert_close(code.z[:, :, 1, 2], here.z)
        if code.posterior is not None:
            torch.testing.assert_close(code.posterior.mean.view(7, 4, 2, 3)[:, :, 1, 2], here.posterior.mean)
            assert on_map.noise(7, torch.Generator()).shape == (7, 24)


def test_codes_are_laid_flat_and_back() -> None:
    shapes = ((3,), (2, 4, 5))
    for leading in ((7,), (6, 7)):
        z = torch.randn(*leading, 3), torch.randn(*leading, 2, 4, 5)
        laid = flat(z, shapes)
        assert laid.shape == (*leading, 43) and torch.equal(laid[..., :3], z[0])
        back = shaped(laid, shapes)
        assert isinstance(back, tuple) and all(torch.equal(a, b) for a, b in zip(back, z, strict=True))
    one: Tensor = torch.randn(7, 3)
    assert flat(one, shapes[:1]) is one or torch.equal(flat(one, shapes[:1]), one)


def test_refusals_name_value_and_choices() -> None:
    with pytest.raises(PushforwardError, match=r"activation=sine: choose from identity, sigmoid, relu, tanh"):
        Deterministic((5,), 3, "sine")
    for k in (0, 9):
        with pytest.raises(PushforwardError, match=rf"k={k}: it must lie between 1 and the code's 8 dimensions"):
            TopK((5,), 8, k)
    with pytest.raises(PushforwardError, match=r"TopK makes vectors; use model\.code=vector"):
        TopK((5, 2, 2), 8, 3)
