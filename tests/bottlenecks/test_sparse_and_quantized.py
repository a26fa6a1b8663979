"""Sparse and quantised codes: what they keep in training and in evaluation, and their values."""

import itertools

import pytest
import torch
from torch import nn

from pushforward.bottlenecks import Dropout, FiniteScalarQuantizer, LifetimeSparsity, TopK
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


def test_k_falls_linearly_in_training_and_codes_have_alpha_times_k() -> None:
    """From 10 to 4 over 3 epochs, in whole units; outside training 2·4, of which the decoder is shown the 4 largest."""
    torch.manual_seed(0)
    bottleneck, x = TopK((6,), 12, 4, start=10, epochs=3.0, alpha=2.0), torch.randn(20, 6)
    value = bottleneck.linear(x)
    for epochs, k in ((0.0, 10), (1.0, 8), (1.2, 8), (2.0, 6), (3.0, 4), (50.0, 4)):
        z = bottleneck(x, None, torch.tensor(epochs)).z
        assert isinstance(z, torch.Tensor)
        least = value.sort(dim=1, descending=True).values[:, k - 1 : k]
        torch.testing.assert_close(z, torch.where(value >= least, value, 0.0))
    code = bottleneck(x, None).z
    assert isinstance(code, torch.Tensor) and bool(((code != 0).sum(1) == 8).all())
    last = bottleneck(x, None, torch.tensor(3.0)).z
    assert torch.equal(bottleneck.valid(code), last)  # type: ignore[arg-type]
    assert bottleneck.settled() == 3.0 and TopK((6,), 12, 4).settled() == 0.0


def test_k_starts_at_all_units_where_there_are_fewer() -> None:
    bottleneck, x = TopK((6,), 12, 4, start=100, epochs=1.0), torch.randn(5, 6)
    z = bottleneck(x, None, torch.zeros(())).z
    assert torch.equal(z, bottleneck.linear(x))  # type: ignore[arg-type]


def test_k_that_would_rise_is_refused() -> None:
    with pytest.raises(PushforwardError, match=r"bottleneck\.start=3: k falls from there to 4"):
        TopK((6,), 12, 4, start=3)


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
