"""Variational autoencoders of other posteriors: gradients without bias, bounds of exact codes, and what is refused."""

import itertools
import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from pushforward.bottlenecks import Bernoulli, Categorical, Gaussian, Planar, Spherical
from pushforward.distributions import Gaussian as GaussianLikelihood
from pushforward.distributions.discrete import kl_uniform
from pushforward.errors import PushforwardError
from pushforward.families import FactorVAE, PlainAutoencoder, Tuning, VariationalAutoencoder
from pushforward.networks import MLP
from pushforward.objectives import KL, L1, ImportanceWeightedBound, Reconstruction, Term
from pushforward.priors import UniformBits, UniformCategorical, UniformSphere, VampPrior
from pushforward.spec import Batch, DataSpec

D, N = 5, 3
SPEC = DataSpec((D,), None, 100, low=-math.inf, high=math.inf)
CATEGORICAL = partial(Categorical, classes=3, temperature=1.0, floor=0.5, rate=0.1, straight_through=False)


def made(bottleneck: Any, prior: Any, code_dim: int = 3, kind: Any = VariationalAutoencoder, **more: Any) -> Any:
    """A linear model in float64."""
    torch.manual_seed(0)
    objective: dict[str, Term | None] = {"reconstruction": Reconstruction(), "kl": KL()}
    options = {"objective": objective, "prior": prior, "likelihood": GaussianLikelihood, **more}
    tuning = {player.name: Tuning(partial(torch.optim.Adam), 1e-3) for player in kind.players}
    return kind(SPEC, MLP(()), code_dim, bottleneck, optimizers=tuning, **options).double()


def batch() -> Batch:
    return Batch(torch.randn(N, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))


def encoder_gradients(family: Any, noise: Tensor, gradient: str, baseline: Tensor) -> Tensor:
    """The gradient of the bottleneck's weights at each draw of noise, (draws, numbers)."""
    buffers = dict(family.named_buffers())
    parameters = {k: v.detach() for k, v in family.named_parameters()}
    own, images = {k: v for k, v in parameters.items() if k.startswith("coder.bottleneck")}, batch()

    class Estimate(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.family = family

        def forward(self, noise: Tensor) -> Tensor:
            return family.estimated_loss(images, {"code": noise}, family.epochs, gradient, baseline).total

    estimate = Estimate()

    def total(own: dict[str, Tensor], noise: Tensor) -> Tensor:
        named = {f"family.{k}": v for k, v in {**parameters, **buffers, **own}.items()}
        return functional_call(estimate, named, (noise,))

    found = vmap(grad(total), in_dims=(None, 0))(own, noise)
    return torch.cat([v.flatten(1) for v in found.values()], 1)


def noises(family: Any, draws: int) -> Tensor:
    noise = family.coder.bottleneck.noise(draws * N, torch.Generator().manual_seed(2))
    return noise.unflatten(0, (draws, N)).double()


def settled(family: Any) -> Tensor:
    """The mean cost as a baseline."""
    total = family.loss("model", batch(), {"code": noises(family, 1)[0]})
    return torch.stack([total.stats["cost"].detach(), torch.ones(()).double()])


def test_the_score_function_s_gradient_of_bits_is_that_of_the_enumerated_bound() -> None:
    """−ELBO summed over all 2³ codes and differentiated; 4,000 draws, five standard errors. A baseline lowers the variance."""
    family, draws = made(Bernoulli, UniformBits, gradient="score"), 4000
    x, q = batch().x, family.posterior(batch().x)
    total = torch.zeros((), dtype=torch.float64)
    for bits in itertools.product((0.0, 1.0), repeat=3):
        z = torch.tensor(bits, dtype=torch.float64).expand(N, 3)
        log_ratio = q.log_prob(z) - family.prior.log_prob(z)
        total = total + (q.log_prob(z).exp() * (log_ratio - family.log_likelihood(x, z))).mean()
    exact = torch.cat([g.flatten() for g in torch.autograd.grad(total, list(family.coder.bottleneck.parameters()))])
    noise, baseline = noises(family, draws), settled(family)
    plain = encoder_gradients(family, noise, "score", torch.zeros(2, dtype=torch.float64))
    held = encoder_gradients(family, noise, "score", baseline)
    family.samples = 4
    several = encoder_gradients(
        family, noises(family, 4 * draws).unflatten(0, (draws, 4)).movedim(1, 2), "score", baseline
    )
    family.samples = 1
    for found in (plain, held, several):
        assert bool(((found.mean(0) - exact).abs() < 5 * found.std(0) / draws**0.5).all())
    assert float(exact.abs().max()) > 10 * float((held.std(0) / draws**0.5).max())
    ratio = float(plain.var(0).sum() / held.var(0).sum())
    fewer = float(held.var(0).sum() / (4 * several.var(0).sum()))
    print(
        f"variance without the baseline over that with it: {ratio:.1f}; a code's over that of one of four: {fewer:.2f}"
    )
    assert ratio > 2


def test_gradients_on_the_sphere_agree_in_the_mean_and_not_in_variance() -> None:
    """ORACLES: accepted draws with their correction against the score function; 4,000 draws, five standard errors."""
    family, draws = made(Spherical, UniformSphere), 4000
    family.coder.bottleneck.linear.bias.data[-1] = 20.0  # κ: codes lie near their direction
    noise, baseline = noises(family, draws), settled(family)
    found = {g: encoder_gradients(family, noise, g, baseline) for g in ("reparameterized", "score")}
    means, variances = ({g: f(v) for g, v in found.items()} for f in (lambda v: v.mean(0), lambda v: v.var(0)))
    error = ((variances["score"] + variances["reparameterized"]) / draws).sqrt()
    assert bool(((means["score"] - means["reparameterized"]).abs() < 5 * error).all())
    assert float(means["reparameterized"].abs().max()) > 10 * float(error.max())
    ratio = float(variances["score"].sum() / variances["reparameterized"].sum())
    print(f"variance of the score function over that of accepted draws: {ratio:.1f}")
    assert ratio > 2


def test_terms_of_relaxed_codes_are_those_of_one_hot_ones_and_gradients_those_of_the_relaxation() -> None:
    family = made(CATEGORICAL, partial(UniformCategorical, 3), code_dim=2)
    noise = noises(family, 1)[0]
    loss = family.loss("model", batch(), {"code": noise})
    q = family.posterior(batch().x)
    z, _ = q.draw(noise)
    torch.testing.assert_close(loss.terms["reconstruction"], -family.log_likelihood(batch().x, z))
    kl = kl_uniform(q.log_p).sum(-1)
    torch.testing.assert_close(loss.terms["kl"], kl)
    torch.testing.assert_close(loss.total, (loss.terms["reconstruction"] + loss.terms["kl"]).mean())
    weights = list(family.parameters())
    found = torch.autograd.grad(loss.total, weights)
    code = family.coder(batch().x, noise, None, family.epochs)
    relaxed = -family.likelihood.log_prob(family.coder.decode(code.z), batch().x).mean() + kl.mean()
    for here, there in zip(found, torch.autograd.grad(relaxed, weights), strict=True):
        torch.testing.assert_close(here, there)
    assert abs(float(relaxed.detach() - loss.total.detach())) > 1e-3


@torch.no_grad()
@pytest.mark.parametrize(
    ("bottleneck", "prior", "more"),
    [
        (CATEGORICAL, partial(UniformCategorical, 3), {}),
        (Bernoulli, UniformBits, {"gradient": "score"}),
        (Spherical, UniformSphere, {}),
        (partial(Planar, transforms=3), None, {}),
    ],
)
def test_bounds_rise_with_k_and_one_sample_is_the_elbo(bottleneck: Any, prior: Any, more: dict[str, Any]) -> None:
    """Burda et al. 2016, theorem 1, in the mean over 200 draws; and log p(x) by enumeration where codes are discrete."""
    family, x = made(bottleneck, prior, **more), 2 * batch().x
    means, errors = [], []
    for k in (1, 4, 64):
        values = torch.stack(
            [family.log_prob(x, torch.Generator().manual_seed(i), k).values.mean() for i in range(200)]
        )
        means.append(float(values.mean()))
        errors.append(float(values.std()) / 200**0.5)
    assert means[1] > means[0] - 4 * (errors[0] + errors[1]) and means[2] > means[1] - 4 * (errors[1] + errors[2])
    assert means[2] > means[0]
    if bottleneck is Bernoulli:
        codes = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3)), dtype=torch.float64)
        joint = [family.log_likelihood(x, z.expand(N, 3)) - 3 * math.log(2) for z in codes]
        evidence = torch.stack(joint).logsumexp(0).mean()
        assert means[2] < float(evidence) + 4 * errors[2] and float(evidence) - means[2] < 0.1


BOTH: dict[str, Term | None] = {"reconstruction": Reconstruction(), "kl": KL()}
REFUSED: list[tuple[Any, str]] = [
    (lambda: made(Bernoulli, UniformBits), "model.gradient=reparameterized: choose from score"),
    (lambda: made(partial(Planar, transforms=2), None, gradient="score"), "gradient=score: choose from reparameterized"),
    (lambda: made(Spherical, None), r"N\(0, I\) is a density of vectors of real numbers, and the bottleneck's codes are"),
    (lambda: made(Gaussian, UniformBits), "3 fair bits is a density of bits, and the bottleneck's codes are vectors"),
    (
        lambda: made(Spherical, UniformSphere, objective={"bound": ImportanceWeightedBound()}),
        "bottleneck Spherical weighs its samples by objective.reconstruction",
    ),
    (
        lambda: made(Spherical, UniformSphere, objective={**BOTH, "sparsity": L1()}),
        "Spherical has no gradient of objective.sparsity",
    ),
    (
        lambda: PlainAutoencoder(
            SPEC, MLP(()), 3, Bernoulli, GaussianLikelihood, {"r": Reconstruction()},
            {"model": Tuning(partial(torch.optim.Adam), 1e-3)},
        ),
        "bottleneck Bernoulli: its draws have to be weighed, which model=vae and its kin do",
    ),
    (
        lambda: made(
            Spherical, UniformSphere, kind=FactorVAE, objective={"model": BOTH, "matching": {}, "critic": {}}, hidden=[4]
        ),
        "bottleneck Spherical: its draws have to be weighed",
    ),
    (
        lambda: made(partial(Planar, transforms=2), partial(VampPrior, 4, 0.1)).loss(
            "model", batch(), {"code": torch.zeros(N, 3, dtype=torch.float64)}
        ),
        "VampPrior mixes Gaussian posteriors; use bottleneck=gaussian",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "line"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_what_does_not_go_together_is_refused_in_one_line(make: Any, line: str) -> None:
    with pytest.raises(PushforwardError, match=line) as found:
        make()
    assert "\n" not in str(found.value)
