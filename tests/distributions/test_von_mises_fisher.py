"""Von Mises–Fisher distributions against scipy's Bessel functions, in closed form for d = 3, and by draws."""

import math

import numpy as np
import pytest
import torch
from scipy.special import ive
from torch import Tensor

from pushforward.distributions.von_mises_fisher import accepted, kl_uniform_sphere, log_area, log_mean_exp

KAPPA = torch.tensor([1e-3, 0.1, 1.0, 3.0, 10.0, 100.0, 1e4], dtype=torch.float64)


def drawn(kappa: Tensor, d: int, n: int, proposals: int = 20) -> tuple[Tensor, Tensor]:
    """t = μᵀz of n draws, and log q/r."""
    g = torch.Generator().manual_seed(d)
    beta = torch.distributions.Beta(torch.tensor((d - 1) / 2), torch.tensor((d - 1) / 2))
    torch.manual_seed(d)
    found = accepted(
        kappa.expand(n), d, beta.sample((n, proposals)), torch.rand(n, proposals, generator=g, dtype=torch.float64)
    )
    torch.testing.assert_close(found[0] + found[1], torch.full_like(found[0], 2.0))
    return 1 - found[0], found[2]


def test_in_three_dimensions_the_divergence_is_the_known_one() -> None:
    """ORACLES: κ coth κ − 1 − ln(sinh κ/κ), ln sinh κ = κ + ln(1 − e^{−2κ}) − ln 2. 1e-7: the expansion's error, 0.3/20⁵."""
    expected = KAPPA / KAPPA.tanh() - 1 - (KAPPA + torch.log(-torch.expm1(-2 * KAPPA)) - math.log(2) - KAPPA.log())
    torch.testing.assert_close(kl_uniform_sphere(KAPPA, 3), expected, rtol=0, atol=1e-7)
    slope = torch.func.grad(lambda k: kl_uniform_sphere(k, 3).sum())(KAPPA)
    # d/dκ of it: κ A′ = κ(1/κ² − 1/sinh² κ)
    inner = KAPPA[:-1]  # sinh 10⁴ overflows
    torch.testing.assert_close(slope[:-1], inner * (inner**-2 - inner.sinh() ** -2), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("d", [2, 3, 5, 16, 50, 301])
def test_moments_are_ratios_of_bessel_functions(d: int) -> None:
    nu, kappa = d / 2 - 1, KAPPA.numpy()
    log_m, resultant = log_mean_exp(KAPPA, d)
    with np.errstate(divide="ignore", invalid="ignore"):  # I_ν underflows for small κ and large ν
        log_bessel, above = np.log(ive(nu, kappa)) + kappa, ive(nu + 1, kappa) / ive(nu, kappa)
    known = np.isfinite(log_bessel) & np.isfinite(above) & (above > 0)
    assert known.sum() >= 4
    expected = math.lgamma(nu + 1) + nu * np.log(2 / kappa) + log_bessel
    np.testing.assert_allclose(log_m.numpy()[known], expected[known], rtol=1e-12, atol=1e-7)
    np.testing.assert_allclose(resultant.numpy()[known], above[known], rtol=1e-7)


def test_the_density_integrates_to_one_on_circle_and_sphere() -> None:
    angles = torch.linspace(0, math.pi, 20_001, dtype=torch.float64)
    for d, measure in ((2, torch.full_like(angles, 2.0)), (3, 2 * math.pi * angles.sin())):
        log_q = 4.0 * angles.cos() - log_mean_exp(torch.tensor([4.0]), d)[0] - log_area(d)
        assert float(torch.trapezoid(log_q.exp() * measure, angles)) == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("d", [2, 3, 16])
@pytest.mark.parametrize("kappa", [0.5, 5.0, 200.0])
def test_accepted_draws_have_the_mean_and_variance_of_their_law(d: int, kappa: float) -> None:
    """E t = A, Var t = A′ = 1 − A² − (d − 1)A/κ; 100,000 draws, within five standard errors."""
    n, k = 100_000, torch.tensor(kappa, dtype=torch.float64)
    t, _ = drawn(k, d, n)
    mean = float(log_mean_exp(k[None], d)[1])
    variance = 1 - mean**2 - (d - 1) * mean / kappa
    assert abs(float(t.mean()) - mean) < 5 * (variance / n) ** 0.5
    kurtosis = float(((t - mean) ** 4).mean()) / variance**2
    assert abs(float(t.var()) / variance - 1) < 5 * ((kurtosis - 1) / n) ** 0.5


@pytest.mark.parametrize(("d", "kappa"), [(3, 1.0), (3, 20.0), (11, 5.0)])
def test_the_gradient_of_accepted_draws_is_that_of_their_mean(d: int, kappa: float) -> None:
    """dE[t²]/dκ by path and correction, against the derivative of E t² = A′ + A² = 1 − (d − 1)A/κ.

    Baseline E t², five standard errors of 200,000 draws. In three dimensions these show that the path alone is off; in eleven
    it is off by less.
    """
    n = 200_000
    k = torch.full((n,), kappa, dtype=torch.float64, requires_grad=True)
    t, log_ratio = drawn(k, d, n)

    def second(k: Tensor) -> Tensor:
        mean = log_mean_exp(k[None], d)[1][0]
        return 1 - (d - 1) * mean / k

    expected = float(torch.func.grad(second)(torch.tensor(kappa, dtype=torch.float64)))
    cost = t.square()
    centred = (cost - cost.mean()).detach()
    (path,) = torch.autograd.grad(cost.sum(), k, retain_graph=True)
    (correction,) = torch.autograd.grad((centred * log_ratio).sum(), k)
    both = path + correction
    assert abs(float(both.mean()) - expected) < 5 * float(both.std()) / n**0.5
    if d == 3:
        assert abs(float(path.mean()) - expected) > 5 * float(path.std()) / n**0.5
