"""The games' known values, and the penalties' closed forms."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from pushforward.objectives import (
    R1,
    R2,
    GradientPenalty,
    HingeCritic,
    LeastSquaresCritic,
    LeastSquaresGenerator,
    NonSaturatingCritic,
    NonSaturatingGenerator,
    PerturbedGradientPenalty,
    RelativisticCritic,
    RelativisticGenerator,
    SaturatingGenerator,
    Term,
    WassersteinCritic,
    WassersteinGenerator,
)

# Δ: (BCE sum 2 ln 2 − 2 JSD, hinge 2 − 2 TV, least squares ½∫pq/(p + q)) of N(0, 1) against N(Δ, 1)
OPTIMA = {1: (1.163451, 1.234150, 0.198986), 2: (0.712633, 0.634621, 0.112400), 4: (0.120854, 0.091001, 0.017149)}
CRITICS = {
    NonSaturatingCritic: lambda logit: logit,
    HingeCritic: torch.sign,  # the best D is 1 where p > q, −1 elsewhere
    LeastSquaresCritic: torch.sigmoid,  # p/(p + q)
}


def quantiles(mean: float, count: int = 400_000) -> Tensor:
    """The midpoints of equal masses of N(mean, 1): means over them are expectations."""
    return mean + torch.special.ndtri((torch.arange(count, dtype=torch.float64) + 0.5) / count)


def scores(real: Tensor, fake: Tensor) -> SimpleNamespace:
    return SimpleNamespace(real_scores=real, fake_scores=fake)


@pytest.mark.parametrize("delta", OPTIMA)
@pytest.mark.parametrize("kind", range(3))
def test_critics_at_their_optimum(delta: int, kind: int) -> None:
    """1e-5: the tables have 6 digits, and the midpoint rule over 4e5 masses leaves 1/N in the tails."""
    critic, best = list(CRITICS.items())[kind]
    real, fake = quantiles(delta), quantiles(0.0)

    def score(x: Tensor) -> Tensor:
        return best(delta * x - delta**2 / 2)  # log p/q

    value = critic()(scores(score(real), score(fake)))
    assert value.shape == real.shape
    assert value.mean().item() == pytest.approx(OPTIMA[delta][kind], abs=1e-5)


def test_the_optimum_is_a_minimum() -> None:
    real, fake = quantiles(1.0), quantiles(0.0)
    values = [NonSaturatingCritic()(scores(s * (real - 0.5), s * (fake - 0.5))).mean() for s in (0.8, 1.0, 1.2)]
    assert values[1] < values[0] and values[1] < values[2]


def test_an_indifferent_critic_costs_two_coins() -> None:
    zero = torch.zeros(3)
    assert torch.allclose(NonSaturatingCritic()(scores(zero, zero)), torch.full((3,), 2 * math.log(2)))


def test_generators() -> None:
    s = torch.linspace(-8, 8, 17, dtype=torch.float64)
    passed = scores(s, s)
    d = s.sigmoid()
    # 1 − σ(8) = 3e-4 keeps 12 digits
    torch.testing.assert_close(NonSaturatingGenerator()(passed), -d.log(), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(SaturatingGenerator()(passed), (1 - d).log(), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(LeastSquaresGenerator()(passed), 0.5 * (s - 1) ** 2)
    torch.testing.assert_close(WassersteinGenerator()(passed), -s)
    torch.testing.assert_close(WassersteinCritic()(scores(s, 2 * s)), s)


def test_the_saturating_gradient_dies_where_the_other_does_not() -> None:
    gradients = []
    for term in (SaturatingGenerator(), NonSaturatingGenerator()):
        s = torch.tensor([-12.0], requires_grad=True)
        (gradient,) = torch.autograd.grad(term(scores(s, s)).sum(), s)
        gradients.append(gradient.abs().item())
    assert gradients[0] < 1e-5 and gradients[1] > 0.99


def test_the_saturating_scores_stay_finite() -> None:
    far = torch.tensor([-1e4, 1e4])
    terms: list[Term] = [NonSaturatingCritic(), NonSaturatingGenerator(), SaturatingGenerator()]
    for term in terms:
        assert term(scores(far, far)).isfinite().all()


def images(n: int = 6, d: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(n, d, generator=g, dtype=torch.float64) for _ in range(2))
    return real, fake, torch.rand(n, generator=g, dtype=torch.float64)


def test_penalty_of_a_linear_critic() -> None:
    """(‖w‖ − 1)² wherever it is looked at; 1e-10 is the guard under the root against ‖w‖² = 14."""
    real, fake, mix = images()
    w = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    passed = SimpleNamespace(critic=lambda x: x @ w, real=real, fake=fake, mix=mix)
    value = GradientPenalty(10.0)(passed)
    torch.testing.assert_close(value, ((w.norm() - 1) ** 2).expand(6), rtol=1e-10, atol=1e-10)
    (gradient,) = torch.autograd.grad(value.mean(), w)
    torch.testing.assert_close(gradient, 2 * (w.norm() - 1) * w / w.norm(), rtol=1e-7, atol=1e-7)
    assert torch.allclose(GradientPenalty(10.0, target=0.0)(passed), (w**2).sum())


def test_penalty_looks_between_the_images() -> None:
    """∇ of ½‖x‖² is x: the penalty tells where it looked."""
    real, fake, mix = images()
    value = GradientPenalty(1.0)(
        SimpleNamespace(critic=lambda x: 0.5 * x.square().sum(1), real=real, fake=fake, mix=mix)
    )
    between = mix[:, None] * real + (1 - mix[:, None]) * fake
    torch.testing.assert_close(value, (between.norm(dim=1) - 1) ** 2, rtol=1e-9, atol=1e-9)


def test_a_flat_critic_has_a_penalty_and_a_finite_gradient() -> None:
    real, fake, mix = images()
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    value = GradientPenalty(1.0)(SimpleNamespace(critic=lambda x: x @ w, real=real, fake=fake, mix=mix))
    (gradient,) = torch.autograd.grad(value.mean(), w)
    assert torch.allclose(value, torch.ones_like(value), atol=1e-5) and bool(gradient.isfinite().all())


@pytest.mark.parametrize("weight", [0.5, 10.0])
def test_the_best_linear_critic_overshoots(weight: float) -> None:
    """N(0, 1) against N(Δ, 1): D(x) = w x is best at w = 1 + Δ/2λ, above the 1 of a Lipschitz bound."""
    delta = 2.0
    w = torch.tensor([1 + delta / (2 * weight)], dtype=torch.float64, requires_grad=True)
    fake = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    real = fake + delta
    passed = SimpleNamespace(critic=lambda x: x @ w, real=real, fake=fake, mix=torch.full((9,), 0.3).double())
    passed.real_scores, passed.fake_scores = passed.critic(real), passed.critic(fake)
    total = WassersteinCritic()(passed).mean() + weight * GradientPenalty(weight)(passed).mean()
    (gradient,) = torch.autograd.grad(total, w)
    assert gradient.abs().item() < 1e-6  # the guard under the root moves the slope by 1e-12


def test_r1_of_a_quadratic() -> None:
    """½E‖A x + b‖² = ½(tr(AΣAᵀ) + ‖Aμ + b‖²) of D = ½xᵀAx + bᵀx, exactly, with the sample's own moments."""
    g = torch.Generator().manual_seed(1)
    A = torch.randn(3, 3, generator=g, dtype=torch.float64)
    A = A + A.T
    b = torch.randn(3, generator=g, dtype=torch.float64)
    x = torch.randn(50, 3, generator=g, dtype=torch.float64)
    mean, cov = x.mean(0), torch.cov(x.T, correction=0)
    value = R1(1.0)(SimpleNamespace(critic=lambda x: 0.5 * ((x @ A) * x).sum(1) + x @ b, real=x)).mean()
    torch.testing.assert_close(value, 0.5 * (torch.trace(A @ cov @ A.T) + (A @ mean + b).square().sum()))


@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_dirac_gan(gamma: float) -> None:
    """Eigenvalues of the game at its equilibrium: ±i f′(0) = ±½i; with R1 −γ/2 ± √(γ²/4 − ¼). Mescheder et al. 2018."""

    def field(point: Tensor) -> Tensor:
        psi, theta = point[0], point[1]
        real = torch.zeros(1, 1, dtype=torch.float64)
        fake = theta.reshape(1, 1)

        def critic(x: Tensor) -> Tensor:
            return psi * x[:, 0]

        def critic_loss(psi_: Tensor) -> Tensor:
            play = scores(psi_ * real[:, 0], psi_ * fake[:, 0])
            slope = SimpleNamespace(critic=lambda x: psi_ * x[:, 0], real=real)
            return NonSaturatingCritic()(play).sum() + gamma * R1(1.0)(slope).sum()

        def generator_loss(theta_: Tensor) -> Tensor:
            return NonSaturatingGenerator()(scores(critic(real), critic(theta_.reshape(1, 1)))).sum()

        return -torch.stack((torch.func.grad(critic_loss)(psi), torch.func.grad(generator_loss)(theta)))

    jacobian = torch.func.jacfwd(field)(torch.zeros(2, dtype=torch.float64))
    found = sorted(torch.linalg.eigvals(jacobian).tolist(), key=lambda z: z.imag)
    root = complex(gamma**2 / 4 - 0.25) ** 0.5
    wanted = sorted([-gamma / 2 + root, -gamma / 2 - root], key=lambda z: z.imag)
    assert found == pytest.approx(wanted, abs=1e-12)


def test_units() -> None:
    """What is not a cross entropy is not in nats."""
    for term in (HingeCritic, LeastSquaresCritic, LeastSquaresGenerator, WassersteinCritic, WassersteinGenerator):
        assert term.unit != "nats"
    assert GradientPenalty.unit == R1.unit == "slope²"
    assert NonSaturatingCritic.unit == NonSaturatingGenerator.unit == "nats"


def test_relativistic_losses_are_cross_entropies_of_differences() -> None:
    """Of equal scores log 2; the generator's is the critic's with real and generated exchanged."""
    real, fake = torch.tensor([0.3, 1.0]), torch.tensor([0.3, -1.0])
    critic, players = RelativisticCritic(), scores(real, fake)
    torch.testing.assert_close(critic(players), torch.tensor([math.log(2), math.log1p(math.exp(-2))]))
    torch.testing.assert_close(RelativisticGenerator()(players), critic(scores(fake, real)))


def test_penalties_of_a_linear_critic() -> None:
    """Slope w everywhere: ½‖w‖² of R2, (‖w‖ − 1)² of the perturbed penalty."""
    w = torch.tensor([0.6, -1.7])
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    players = SimpleNamespace(critic=lambda x: x @ w, real=x, fake=x + 1, perturbation=torch.rand(4, 2))
    torch.testing.assert_close(R2(1.0)(players), torch.full((4,), 0.5 * float(w.square().sum())))
    wanted = torch.tensor((float(w.norm()) - 1) ** 2)
    torch.testing.assert_close(PerturbedGradientPenalty(10.0)(players), wanted)


def test_the_perturbed_penalty_is_taken_where_it_says() -> None:
    """D = ½‖x‖² has slope x: (‖x + ½ std(x) u‖ − 1)²."""
    x, u = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), torch.rand(4, 2)
    players = SimpleNamespace(critic=lambda x: 0.5 * x.square().sum(1), real=x, fake=x, perturbation=u)
    wanted = ((x + 0.5 * x.std() * u).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(PerturbedGradientPenalty(10.0)(players), wanted)
