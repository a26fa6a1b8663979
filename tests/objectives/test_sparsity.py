"""KL(ρ‖ρ̂) of coins against torch's, zero iff equal; and the L1 norm of a code."""

from types import SimpleNamespace

import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence

from pushforward.bottlenecks import Code
from pushforward.errors import PushforwardError
from pushforward.objectives import L1, ActivationKL
from pushforward.objectives.sparsity import bernoulli_kl


def passed(z: torch.Tensor) -> SimpleNamespace:
    return SimpleNamespace(code=Code(z), z=z)


def test_it_is_torchs_divergence() -> None:
    rho, mean = torch.tensor(0.05), torch.linspace(0.01, 0.99, 50)
    torch.testing.assert_close(
        bernoulli_kl(rho, mean), kl_divergence(Bernoulli(rho), Bernoulli(mean)), rtol=1e-5, atol=1e-6
    )


def test_zero_iff_equal() -> None:
    rho = torch.tensor([0.05, 0.3, 0.5], dtype=torch.float64)
    assert float(bernoulli_kl(rho, rho).abs().max()) < 1e-15
    others = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    value = bernoulli_kl(rho[:, None], others)
    away = (others - rho[:, None]).abs() > 1e-6
    assert bool((value[away] > 0).all())


def test_the_term_sums_units_of_the_batch_mean() -> None:
    """Two units with means 0.05 and 0.5, neither image at its own mean: only the second pays, 4.947e-1 nats."""
    z = torch.tensor([[0.0, 0.2], [0.1, 0.8]])
    found = ActivationKL(0.05)(passed(z))
    expected = 0.05 * torch.tensor(0.05 / 0.5).log() + 0.95 * torch.tensor(0.95 / 0.5).log()
    assert found.shape == ()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_units_that_are_always_on_or_off_have_finite_loss_and_gradient() -> None:
    z = torch.tensor([[0.0, 1.0], [0.0, 1.0]], requires_grad=True)
    found = ActivationKL(0.05)(passed(z))
    found.backward()
    assert bool(found.isfinite()) and z.grad is not None and bool(z.grad.isfinite().all())


def test_the_gradient_points_to_the_target() -> None:
    z = torch.tensor([[0.01, 0.4], [0.01, 0.4]], requires_grad=True)
    ActivationKL(0.05)(passed(z)).backward()
    assert z.grad is not None and bool((z.grad[:, 0] < 0).all()) and bool((z.grad[:, 1] > 0).all())


@pytest.mark.parametrize("rho", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_target_is_refused(rho: float) -> None:
    with pytest.raises(PushforwardError, match=r"rho=.* must lie between 0 and 1, such as 0.05"):
        ActivationKL(rho)


def test_l1_is_the_sum_of_magnitudes() -> None:
    z = torch.tensor([[1.0, -2.0, 0.0], [0.5, 0.5, -0.5]])
    torch.testing.assert_close(L1()(passed(z)), torch.tensor([3.0, 1.5]))
