"""What each weighting makes of a term, in closed form, and how it prints itself."""

import math

import pytest
import torch
from torch import Tensor

from pushforward.objectives import Capacity, Constant, Cyclical, FreeBits, Normalised, Warmup, Weight

PARTS = torch.tensor([[0.1, 2.0], [0.3, 4.0]])
"""A KL in two dimensions of two images: totals 2.1 and 4.3, means 0.2 and 3."""


def at(weight: Weight, epochs: float, value: Tensor = PARTS) -> Tensor:
    return weight(value, torch.tensor(epochs))


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_constant(beta: float) -> None:
    torch.testing.assert_close(at(Constant(beta), 7.0), beta * torch.tensor([2.1, 4.3]))
    torch.testing.assert_close(at(Constant(beta), 7.0, torch.tensor(3.0)), torch.tensor(3 * beta))


def test_warmup_rises_linearly_then_holds() -> None:
    weight = Warmup(beta=4.0, epochs=8.0, start=1.0)
    for epochs, beta in ((0, 1.0), (4, 2.5), (8, 4.0), (80, 4.0)):
        torch.testing.assert_close(at(weight, epochs), beta * torch.tensor([2.1, 4.3]))
    torch.testing.assert_close(at(Warmup(2.0, 0.0, 0.0), 0.001), 2 * torch.tensor([2.1, 4.3]))


def test_cyclical_rises_over_a_share_of_every_period() -> None:
    weight = Cyclical(beta=2.0, period=10.0, ramp=0.5)
    for epochs, beta in ((0, 0.0), (2.5, 1.0), (5, 2.0), (9.9, 2.0), (10, 0.0), (22.5, 1.0)):
        torch.testing.assert_close(at(weight, epochs), beta * torch.tensor([2.1, 4.3]), rtol=1e-5, atol=1e-5)


def test_capacity_holds_the_mean_to_what_is_allowed() -> None:
    """β |mean − C(t)|, mean 3.2: zero where C reaches it, and pulling from both sides."""
    weight = Capacity(beta=10.0, capacity=6.4, epochs=10.0)
    for epochs, value in ((0, 32.0), (2.5, 16.0), (5, 0.0), (10, 32.0), (50, 32.0)):
        found = at(weight, epochs)
        assert found.shape == ()
        assert float(found) == pytest.approx(value, abs=1e-5)
    for epochs, sign in ((0.0, 1.0), (10.0, -1.0)):
        value = PARTS.clone().requires_grad_()
        at(weight, epochs, value).backward()
        torch.testing.assert_close(value.grad, torch.full((2, 2), sign * 10 / 2))


def test_free_bits_are_free_by_dimension_on_the_batch_mean() -> None:
    """Means 0.2 and 3 with 0.5 free: 0.5 + 3. The free dimension gets no gradient."""
    value = PARTS.clone().requires_grad_()
    found = at(FreeBits(beta=2.0, nats=0.5), 0.0, value)
    assert float(found) == pytest.approx(2 * 3.5)
    found.backward()
    torch.testing.assert_close(value.grad, torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    torch.testing.assert_close(at(FreeBits(1.0, 0.0), 0.0), PARTS.sum(1).mean())
    assert float(at(FreeBits(1.0, 5.0), 0.0, torch.tensor([2.0, 4.0]))) == 5.0  # without parts: one


def test_normalised_errors_have_gradients_of_equal_size() -> None:
    """v/(v + c)^p with the divisor fixed: the gradient by v is (v + c)^−p; at p = 0 the term itself."""
    value = torch.tensor([0.5, 8.0], requires_grad=True)
    Normalised(0.5, 2.0)(value, torch.tensor(0.0)).sum().backward()
    torch.testing.assert_close(value.grad, torch.tensor([1.0, 1 / 8.5**2]))
    assert torch.equal(Normalised(0.5, 0.0)(value, torch.tensor(0.0)), value)


def test_they_print_themselves() -> None:
    said = {
        "KL": Constant(1.0),
        "4·KL": Constant(4.0),
        "β(t)·KL with β: 0 → 4 over 10 epochs": Warmup(4.0, 10.0, 0.0),
        "β(t)·KL with β: 0 → 1 over 50% of every 10 epochs": Cyclical(1.0, 10.0, 0.5),
        "100·|KL − C(t)| with C: 0 → 25 nats over 10 epochs": Capacity(100.0, 25.0, 10.0),
        "KL/sg(KL + 0.001)^1": Normalised(0.001, 1.0),
        "Σⱼ max(0.1 nats, KLⱼ) (0.14 bits free a dimension)": FreeBits(1.0, 0.1),
    }
    for text, weight in said.items():
        assert weight.describe("KL") == text
    assert 0.1 / math.log(2) == pytest.approx(0.144, abs=1e-3)


def test_each_says_when_it_no_longer_changes() -> None:
    """From there on it gives the same at any time; infinite: never."""
    for weight, end in (
        (Constant(2), 0.0), (FreeBits(1, 0.5), 0.0), (Normalised(1, 1), 0.0), (Warmup(4, 6, 0), 6.0), (Capacity(2, 8, 5), 5.0),
        (Cyclical(1, 4, 0.5), math.inf),
    ):  # fmt: skip
        assert weight.settled() == end
        if end < math.inf:
            for later in (0.001, 1.0, 77.0):
                torch.testing.assert_close(at(weight, end + later), at(weight, end), rtol=0, atol=0)
        if 0 < end < math.inf:
            assert not torch.equal(at(weight, 0.9 * end), at(weight, end))


def test_their_numbers_are_buffers_outside_the_state() -> None:
    weights = [Constant(1), Warmup(1, 2, 3), Cyclical(1, 2, 3), Capacity(1, 2, 3), FreeBits(1, 2), Normalised(1, 2)]
    for weight, n in zip(weights, (1, 3, 3, 3, 2, 2), strict=True):
        assert len(dict(weight.named_buffers())) == n and not weight.state_dict()
        assert all(b.shape == () for b in weight.buffers())
