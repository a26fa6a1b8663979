"""Gradients through draws of discrete codes: relaxed ones, straight through the relaxation, straight through probabilities."""

import pytest
import torch
from torch import Tensor

from pushforward.bottlenecks import Bottleneck, Categorical, RelaxedBernoulli
from pushforward.errors import PushforwardError

H = torch.randn(400, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SETTINGS = {"temperature": 0.7, "floor": 0.5, "rate": 0.0}


def bits(straight_through: bool, gumbel: bool = True) -> RelaxedBernoulli:
    torch.manual_seed(0)
    return RelaxedBernoulli((5,), 3, straight_through=straight_through, gumbel=gumbel, **SETTINGS).double()


def noise(bottleneck: Bottleneck) -> Tensor:
    drawn = bottleneck.noise(len(H), torch.Generator().manual_seed(1))
    assert drawn is not None
    return drawn.double()


def test_bits_are_draws_of_their_posterior_and_relaxed_to_a_sigmoid() -> None:
    """z = σ((l + L)/τ) with logistic L = logit(1 − u): log-odds of z are (l + L)/τ."""
    bottleneck = bits(False)
    u = noise(bottleneck)
    code, epochs = bottleneck(H, u, torch.tensor(0.0)), bottleneck.linear(H)
    assert code.posterior is not None and isinstance(code.z, Tensor) and isinstance(code.exact, Tensor)
    assert torch.equal(code.exact, code.posterior.draw(u)[0])
    torch.testing.assert_close(code.z.logit(), (epochs + (1 - u).logit()) / 0.7, rtol=1e-6, atol=1e-6)
    assert torch.equal(code.exact, (code.z > 0.5).double())
    assert torch.equal(bottleneck(H, None).z, epochs.sigmoid())


def test_two_classes_are_a_bit() -> None:
    """softmax((a + g)/τ) over two classes is σ((a₁ − a₀ + g₁ − g₀)/τ): with u = σ(g₀ − g₁) the same as a bit's."""
    two = Categorical((5,), 3, classes=2, straight_through=False, **SETTINGS).double()
    u = noise(two)
    one = two(H, u, torch.tensor(0.0)).z
    g = -torch.log(-torch.log(u.unflatten(1, (3, 2))))
    bit = bits(False)
    logits = two.linear(H).unflatten(1, (3, 2))
    with torch.no_grad():
        w = two.linear.weight.unflatten(0, (3, 2))
        bit.linear.weight.copy_(w[:, 1] - w[:, 0])
        b = two.linear.bias.unflatten(0, (3, 2))
        bit.linear.bias.copy_(b[:, 1] - b[:, 0])
    torch.testing.assert_close(bit.linear(H), logits[..., 1] - logits[..., 0])
    other = bit(H, torch.sigmoid(g[..., 0] - g[..., 1]), torch.tensor(0.0)).z
    torch.testing.assert_close(other, one.unflatten(1, (3, 2))[..., 1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("gumbel", [True, False])
def test_straight_through_bits_have_the_gradient_of_what_is_beneath(gumbel: bool) -> None:
    """dz/dl is z̃(1 − z̃)/τ of the relaxed z̃, or p(1 − p) of the probability: Bengio, Léonard & Courville 2013."""
    bottleneck = bits(True, gumbel)
    u = noise(bottleneck)
    code = bottleneck(H, u, torch.tensor(0.0))
    logits = bottleneck.linear(H)
    soft = ((logits + (1 - u).logit()) / 0.7).sigmoid() if gumbel else logits.sigmoid()
    torch.testing.assert_close(code.z, (u < logits.sigmoid()).double())
    code.z.sum().backward()
    wanted = (soft * (1 - soft) / (0.7 if gumbel else 1)).sum(0)
    torch.testing.assert_close(bottleneck.linear.bias.grad, wanted, rtol=1e-6, atol=1e-6)


def test_one_hot_codes_straight_through_their_probabilities() -> None:
    """∂p_k/∂a_j = p_k(δ_kj − p_j), whatever the temperature."""
    bottleneck = Categorical((5,), 2, classes=4, straight_through=True, gumbel=False, **SETTINGS).double()
    code = bottleneck(H, noise(bottleneck), torch.tensor(0.0))
    weight = torch.arange(8.0, dtype=torch.float64)
    torch.testing.assert_close(code.z.unflatten(1, (2, 4)).sum(-1), torch.ones(400, 2, dtype=torch.float64))
    (code.z * weight).sum().backward()
    p = bottleneck.linear(H).unflatten(1, (2, 4)).softmax(-1)
    v = weight.view(2, 4)
    wanted = (p * (v - (p * v).sum(-1, keepdim=True))).sum(0).flatten()
    torch.testing.assert_close(bottleneck.linear.bias.grad, wanted)


def test_draws_without_any_gradient_are_refused() -> None:
    with pytest.raises(PushforwardError, match="straight_through=true"):
        bits(False, gumbel=False)
