"""The rate in parts against scikit-learn's mutual information and closed forms; active units; two processes."""

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score

from pushforward.distributions.gaussian import kl_standard_normal, log_standard_normal
from pushforward.metrics.aggregate import active_units, parts_of_rate

NAMES = ("mutual_information", "total_correlation", "dimension_kl", "marginal_kl")


def on_a_grid(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two dependent discrete variables of 200 images, and z at their values with σ = 0.01, a hundred σ apart."""
    g = torch.Generator().manual_seed(seed)
    a = torch.randint(5, (200,), generator=g)
    b = torch.where(torch.rand(200, generator=g) < 0.6, a, torch.randint(4, (200,), generator=g))
    mean = torch.stack((a, b), 1).double()
    return a, b, mean, mean + 0.01 * torch.randn(mean.shape, generator=g, dtype=torch.float64)


def test_parity_with_sklearn_on_twenty_discrete_codes() -> None:
    """I(x; z) is the entropy of the code's cell and TC is I(a; b); neighbours 100σ away leave e^−5000: rounding alone."""
    worst = 0.0
    for seed in range(20):
        a, b, mean, z = on_a_grid(seed)
        found = parts_of_rate(z, mean, torch.full_like(mean, math.log(0.01)), log_standard_normal(z))
        cell = (10 * a + b).numpy()
        pairs = (
            (found["mutual_information"].value, mutual_info_score(cell, cell)),
            (found["total_correlation"].value, mutual_info_score(a.numpy(), b.numpy())),
        )
        assert found["mutual_information"].n == 200
        worst = max(worst, *(abs(ours - theirs) for ours, theirs in pairs))
    print(f"deviation from scikit-learn over 20 inputs: {worst:.1e}")
    assert worst < 1e-12


def gaussian_codes(n: int, sigma: float, seed: int) -> tuple[torch.Tensor, ...]:
    """Means ~ N(0, 1 − σ²) in three dimensions and one z each: the aggregate is nearly N(0, I)."""
    g = torch.Generator().manual_seed(seed)
    mean = (1 - sigma**2) ** 0.5 * torch.randn(n, 3, generator=g, dtype=torch.float64)
    log_std = torch.full_like(mean, math.log(sigma))
    z = mean + sigma * torch.randn(n, 3, generator=g, dtype=torch.float64)
    return z, mean, log_std


def test_the_parts_add_up_to_the_rate() -> None:
    """In expectation the closed KL; 3,000 codes, 4 standard errors of the information and the marginal KL together."""
    z, mean, log_std = gaussian_codes(3000, 0.5, 0)
    found = parts_of_rate(z, mean, log_std, log_standard_normal(z))
    assert tuple(found) == NAMES
    rate = float(kl_standard_normal(mean, log_std).sum(1).mean())
    whole = found["mutual_information"].value + found["marginal_kl"].value
    error = found["mutual_information"].standard_error + found["marginal_kl"].standard_error
    assert abs(whole - rate) < 4 * error
    parts = found["total_correlation"].value + found["dimension_kl"].value
    assert found["marginal_kl"].value == pytest.approx(parts, rel=1e-12)
    assert found["mutual_information"].value < math.log(3000)


def test_an_aggregate_that_is_the_prior() -> None:
    """I → −3 ln σ and KL(q(z) ‖ p) → 0 with n; here σ = 0.9, so that 4,000 Gaussians of that width cover their place:
    log q(z) varies by about Var[q̂]/2q² ≈ 1/(2n)·(1 + …) < 2e-3 from the limit, beside 4 standard errors."""
    sigma = 0.9
    z, mean, log_std = gaussian_codes(4000, sigma, 1)
    found = parts_of_rate(z, mean, log_std, log_standard_normal(z))
    for name, wanted in (("mutual_information", -3 * math.log(sigma)), ("marginal_kl", 0.0)):
        assert abs(found[name].value - wanted) < 4 * found[name].standard_error + 2e-3


def test_active_units_are_counted_by_the_variance_of_the_mean() -> None:
    """Spreads √0.02 and √0.005 over 2,000 images have variances known to 4·√(2/2000) = 13 %."""
    mean = (
        torch.randn(2000, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.02, 0.005, 0.0]).sqrt()
    )
    mean = mean + torch.tensor([0.0, 5.0, 5.0, 5.0])
    assert active_units(mean) == 2
    assert active_units(mean, 0.003) == 3
    assert active_units(mean, 0.5) == 1
