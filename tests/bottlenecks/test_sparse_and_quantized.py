"""Sparse and quantised codes: what they keep in training and in evaluation, and their values."""

import itertools

import pytest
import torch
from torch import nn

from pushforward.bottlenecks import Dropout, FiniteScalarQuantizer, LifetimeSparsity
from pushforward.errors import PushforwardError
from pushforward.seeds import generator


def test_each_unit_is_on_for_its_share_of_the_batch() -> None:
    bottleneck, x = LifetimeSparsity((6,), 8, 0.25), torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    noise = bottleneck.noise(40, generator("cpu", 0, "n"))
    whole, kept = bottleneck(x, None).z, bottleneck(x, noise).z
    assert isinstance(whole, torch.Tensor) and isinstance(kept, torch.Tensor)
    for unit in range(8):
        on = whole[:, unit].argsort(descending=True)[:10]
        wanted = torch.zeros(40)
        wanted[on] = whole[on, unit]
        torch.testing.assert_close(kept[:, unit], wanted)


def test_dropout_keeps_the_mean() -> None:
    """20,000 draws of a quarter dropped: within 4 standard errors, |z|·√(⅓/n) each."""
    bottleneck = Dropout((3,), 4, 0.25)
    x = torch.ones(20_000, 3)
    whole, dropped = bottleneck(x, None).z, bottleneck(x, bottleneck.noise(20_000, generator("cpu", 0, "n"))).z
    assert isinstance(whole, torch.Tensor) and isinstance(dropped, torch.Tensor)
    share = (dropped == 0).float().mean()
    assert abs(float(share) - 0.25) < 4 * (0.25 * 0.75 / 80_000) ** 0.5
    assert bool(((dropped.mean(0) - whole[0]).abs() < 4 * whole[0].abs() * (1 / 3 / 20_000) ** 0.5).all())


LEVELS = [8, 5, 2]


def quantizer() -> FiniteScalarQuantizer:
    made = FiniteScalarQuantizer((3,), 3, LEVELS)
    assert isinstance(made.linear, nn.Linear)
    nn.init.eye_(made.linear.weight)
    nn.init.zeros_(made.linear.bias)
    return made


def test_every_combination_of_levels_and_no_other_is_reached() -> None:
    made = quantizer()
    axis = torch.linspace(-6, 6, 61)
    z = made(torch.cartesian_prod(axis, axis, axis), None).z
    assert isinstance(z, torch.Tensor)
    assert [len(z[:, i].unique()) for i in range(3)] == LEVELS
    assert len(z.unique(dim=0)) == 8 * 5 * 2
    assert float(z.abs().max()) <= 1


def test_it_is_idempotent() -> None:
    made = quantizer()
    z = made(3 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), None).z
    assert isinstance(z, torch.Tensor)
    torch.testing.assert_close(made.valid(z), z, rtol=0, atol=1e-6)


def test_the_gradient_passes_straight_through() -> None:
    made = quantizer()
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    through, bounded = x.clone().requires_grad_(), x.clone().requires_grad_()
    z = made(through, None).z
    assert isinstance(z, torch.Tensor)
    z.sum().backward()
    made.bounded(bounded).sum().backward()
    torch.testing.assert_close(through.grad, bounded.grad)


def test_levels_are_as_many_as_channels() -> None:
    with pytest.raises(PushforwardError, match=r"has 3 numbers and model\.code_dim is 4"):
        FiniteScalarQuantizer((3,), 4, LEVELS)
    assert len(list(itertools.product(*map(range, LEVELS)))) == 80
