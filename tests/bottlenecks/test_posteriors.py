"""Posteriors that are no diagonal Gaussians: their draws, densities and divergences, and what refuses them."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli as Bits
from torch.distributions import Independent, OneHotCategorical
from torch.func import jacrev, vmap

from pushforward.bottlenecks import (
    Bernoulli,
    BernoulliPosterior,
    Bottleneck,
    Categorical,
    CategoricalPosterior,
    InverseAutoregressive,
    Planar,
    Spherical,
    VonMisesFisherPosterior,
)
from pushforward.errors import PushforwardError
from pushforward.objectives.divergence import closed_form_kl
from pushforward.priors import Prior, UniformBits, UniformCategorical, UniformSphere

N, F = 7, 6
SETTINGS = {"classes": 4, "temperature": 1.0, "floor": 0.5, "rate": 0.1}


def categorical(straight_through: bool = False) -> Categorical:
    torch.manual_seed(0)
    return Categorical((F,), 3, **SETTINGS, straight_through=straight_through).double()


def wider(bottleneck: Any) -> Any:
    """The bottleneck in float64, its map three times what it begins with: posteriors differ from each other."""
    bottleneck = bottleneck.double()
    with torch.no_grad():
        for parameter in bottleneck.linear.parameters():
            parameter.mul_(3)
    return bottleneck


def features(n: int = N) -> Tensor:
    return torch.randn(n, F, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_densities_of_discrete_codes_are_torch_s() -> None:
    log_p = torch.randn(N, 3, 4, dtype=torch.float64).log_softmax(-1)
    q, known = CategoricalPosterior(log_p), Independent(OneHotCategorical(logits=log_p), 1)
    z, log_q = q.draw(torch.rand(5, N, 12, dtype=torch.float64))
    assert z.shape == (5, N, 12) and bool((z.unflatten(-1, (3, 4)).sum(-1) == 1).all())
    torch.testing.assert_close(log_q, known.log_prob(z.unflatten(-1, (3, 4))))
    bits = BernoulliPosterior(torch.randn(N, 4, dtype=torch.float64))
    z, log_q = bits.draw(torch.rand(5, N, 4, dtype=torch.float64))
    torch.testing.assert_close(log_q, Independent(Bits(logits=bits.logits), 1).log_prob(z))


def test_discrete_codes_are_drawn_as_often_as_their_probabilities_say() -> None:
    """100,000 draws, five standard errors."""
    n, g = 100_000, torch.Generator().manual_seed(0)
    for q in (CategoricalPosterior(torch.randn(2, 3, 4).log_softmax(-1)), BernoulliPosterior(torch.randn(2, 12))):
        z, _ = q.draw(torch.rand(n, 2, 12, generator=g))
        error = (q.mean * (1 - q.mean) / n).sqrt()
        assert bool(((z.mean(0) - q.mean).abs() < 5 * error).all())


PRIORS: list[tuple[Any, Prior]] = [
    (CategoricalPosterior(torch.randn(N, 3, 4).double().log_softmax(-1)), UniformCategorical(4, code_dim=12)),
    (BernoulliPosterior(torch.randn(N, 12).double()), UniformBits(code_dim=12)),
    (
        VonMisesFisherPosterior(
            torch.nn.functional.normalize(torch.randn(N, 12).double(), dim=1), 20 * torch.rand(N).double()
        ),
        UniformSphere(code_dim=12),
    ),
]


@pytest.mark.parametrize(("q", "prior"), PRIORS, ids=lambda v: type(v).__name__)
def test_closed_forms_are_the_means_of_log_ratios(q: Any, prior: Prior) -> None:
    """KL(q ‖ p) = E[log q − log p], 20,000 draws an image, five standard errors; and priors draw what they are densities of."""
    assert len(PRIORS) == 3
    n, bottleneck = 20_000, Spherical((F,), 12) if isinstance(q, VonMisesFisherPosterior) else Bernoulli((F,), 12)
    noise = bottleneck.noise(n * N, torch.Generator().manual_seed(3)).unflatten(0, (n, N)).double()
    z, log_q = q.draw(noise)
    torch.testing.assert_close(q.log_prob(z), log_q, rtol=1e-6, atol=1e-6)
    ratio = log_q - prior.log_prob(z.flatten(0, 1)).view(n, N)
    kl = closed_form_kl(q, prior)
    assert kl is not None
    assert bool(((ratio.mean(0) - kl.sum(-1)).abs() < 5 * ratio.std(0) / n**0.5 + 1e-9).all())
    drawn = prior.sample(4000, torch.Generator().manual_seed(0))
    assert drawn.shape == (4000, 12)
    values = drawn.double()
    spread = values.std(0) / 4000**0.5
    expected = {UniformCategorical: 0.25, UniformBits: 0.5, UniformSphere: 0.0}[type(prior)]
    assert bool(((values.mean(0) - expected).abs() < 5 * spread).all())


def test_the_temperature_falls_from_its_start_to_its_floor() -> None:
    """max(0.5, e^{−0.1·epochs})."""
    bottleneck = categorical()
    for epochs, tau in ((0.0, 1.0), (2.0, math.exp(-0.2)), (50.0, 0.5)):
        assert float(bottleneck.annealed(torch.tensor(epochs))) == pytest.approx(tau)


def test_relaxed_codes_tend_to_the_exact_ones_and_straight_through_ones_are_those() -> None:
    relaxed, through, h = categorical(), categorical(True), features()
    noise = relaxed.noise(N, torch.Generator().manual_seed(2)).double()
    code, other = relaxed(h, noise, torch.tensor(0.0)), through(h, noise, torch.tensor(0.0))
    assert code.exact is not None and other.exact is None
    torch.testing.assert_close(other.z, code.exact, rtol=0, atol=1e-12)
    torch.testing.assert_close(code.z.unflatten(-1, (3, 4)).sum(-1), torch.ones(N, 3).double())
    assert float((code.z - code.exact).abs().max()) > 0.1
    weights = torch.randn(N, 12, dtype=torch.float64)
    slopes = [
        torch.autograd.grad((c.z * weights).sum(), b.linear.weight)[0] for c, b in ((code, relaxed), (other, through))
    ]
    torch.testing.assert_close(*slopes)
    relaxed.temperature.fill_(1e-6)
    relaxed.floor.fill_(1e-6)
    torch.testing.assert_close(relaxed(h, noise, torch.tensor(0.0)).z, code.exact, rtol=0, atol=1e-6)
    assert torch.equal(relaxed.valid(code.z), code.exact)


FLOWS = {
    "iaf": lambda: InverseAutoregressive((F,), 4, 3, [8], 5, 1.5),
    "no context": lambda: InverseAutoregressive((F,), 4, 2, [8], 0, 1.5),
    "planar": lambda: Planar((F,), 4, 6),
}


def made(name: str) -> Any:
    torch.manual_seed(0)
    bottleneck = FLOWS[name]().double()
    for parameter in bottleneck.parameters():  # the conditioners' last layers begin at 0
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return bottleneck


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_s_density_is_that_of_a_change_of_variables(name: str) -> None:
    """log q = log N(ε) − log |det ∂z/∂ε|, the Jacobian of the whole draw by autograd; float64: 1e-9 is rounding."""
    assert len(FLOWS) == 3
    bottleneck, h = made(name), features()
    noise = bottleneck.noise(N, torch.Generator().manual_seed(4)).double()
    code = bottleneck(h, noise)

    def alone(h: Tensor, e: Tensor) -> Tensor:
        return bottleneck(h[None], e[None]).z[0]

    jacobian = vmap(jacrev(alone, argnums=1))(h, noise)
    log_normal = torch.distributions.Normal(0.0, 1.0).log_prob(noise).sum(1)
    torch.testing.assert_close(code.log_q, log_normal - torch.linalg.slogdet(jacobian).logabsdet, rtol=1e-9, atol=1e-9)
    several = torch.randn(3, N, 4, dtype=torch.float64)
    z, log_q = code.posterior.draw(several)
    torch.testing.assert_close(z[1], bottleneck(h, several[1]).z)
    torch.testing.assert_close(log_q[1], bottleneck(h, several[1]).log_q)
    torch.testing.assert_close(bottleneck(h, None).z, code.posterior.draw(torch.zeros(N, 4).double())[0])


def test_an_inverse_autoregressive_step_is_triangular_and_gated_as_published() -> None:
    """∂z/∂z₀ of one step is lower triangular with the gates on its diagonal, and begins as σ(1.5) z₀."""
    torch.manual_seed(0)
    bottleneck = InverseAutoregressive((F,), 4, 1, [8], 5, 1.5).double()
    z, c = torch.randn(4, dtype=torch.float64), torch.randn(1, 5, dtype=torch.float64)
    torch.testing.assert_close(bottleneck.steps(c)(z[None])[0][0], z / (1 + math.exp(-1.5)))
    for parameter in bottleneck.flow.parameters():
        parameter.data.add_(torch.randn_like(parameter))
    jacobian = jacrev(lambda z: bottleneck.steps(c)(z[None])[0][0])(z)
    assert float(jacobian.triu(1).abs().max()) == 0 and bool((jacobian.diagonal() > 0).all())
    assert float(jacobian.diagonal().max()) < 1 and float(jacobian.tril(-1).abs().max()) > 1e-3


def test_a_planar_step_is_invertible_for_any_numbers() -> None:
    """1 + ûᵀψ > 0, so the log-determinant is finite, for numbers of any size."""
    torch.manual_seed(0)
    bottleneck = Planar((F,), 4, 6).double()
    for size in (1.0, 10.0, 100.0):
        _, ladj = bottleneck.steps(size * torch.randn(1000, 54).double())(torch.randn(1000, 4).double())
        assert bool(ladj.isfinite().all())


def test_codes_on_the_sphere_are_of_length_one_and_stand_about_their_direction() -> None:
    torch.manual_seed(0)
    bottleneck, h = wider(Spherical((F,), 5)), features()
    noise = bottleneck.noise(N, torch.Generator().manual_seed(0)).double()
    code = bottleneck(h, noise)
    torch.testing.assert_close(code.z.norm(dim=1), torch.ones(N).double(), rtol=0, atol=1e-6)
    assert bool((code.posterior.kappa > 1).all())
    torch.testing.assert_close(bottleneck(h, None).z.norm(dim=1), torch.ones(N).double())
    torch.testing.assert_close(bottleneck.valid(3 * code.z), code.z, rtol=0, atol=1e-6)


REFUSED: list[tuple[Any, str]] = [
    (lambda: Categorical((F, 2, 2), 3, **SETTINGS, straight_through=False), "Categorical makes vectors; use model.code=vector"),
    (lambda: Spherical((F, 2, 2), 3), "Spherical makes vectors; use model.code=vector"),
    (lambda: Planar((F, 2, 2), 3, 2), "Planar makes vectors; use model.code=vector"),
    (lambda: Spherical((F,), 1), "Spherical needs model.code_dim of at least 2"),
    (lambda: UniformCategorical(4, code_dim=10), "prior.classes=4 does not divide the code's 10 numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "line"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_refusals_name_value_and_remedy(make: Any, line: str) -> None:
    with pytest.raises(PushforwardError, match=line):
        make()


def test_bits_of_a_map_are_those_of_its_places() -> None:
    on_map: Bottleneck = Bernoulli((F, 2, 3), 4)
    code = on_map(torch.randn(N, F, 2, 3), on_map.noise(N, torch.Generator().manual_seed(0)))
    assert isinstance(code.z, Tensor) and code.z.shape == (N, 4, 2, 3) and set(code.z.unique().tolist()) == {0.0, 1.0}
