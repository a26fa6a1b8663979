"""Linear autoencoders have known optima; the bounds and gradient estimators of a variational one known relations."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal
from torch.func import functional_call, grad, vmap

from pushforward.bottlenecks import Deterministic, Gaussian, TopK
from pushforward.corruption import GaussianNoise
from pushforward.distributions import Bernoulli
from pushforward.distributions import Gaussian as GaussianLikelihood
from pushforward.errors import PushforwardError
from pushforward.families import (
    Autoencoder,
    Denoises,
    DenoisingAutoencoder,
    PlainAutoencoder,
    Samples,
    SparseAutoencoder,
    Tuning,
    VariationalAutoencoder,
)
from pushforward.networks import MLP
from pushforward.objectives import KL, L1, ActivationKL, Reconstruction, Term
from pushforward.spec import Batch, DataSpec

D, N = 5, 200
LAMBDA = torch.tensor([4.0, 2.0, 1.0, 0.5, 0.25], dtype=torch.float64)
SPEC = DataSpec((D,), None, N, low=-math.inf, high=math.inf)
TUNING = {"model": Tuning(partial(torch.optim.Adam), 1e-3)}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def whitened(n: int, d: int) -> Tensor:
    """n points with mean exactly 0 and covariance exactly I, float64."""
    x = torch.randn(n, d, dtype=torch.float64)
    x = x - x.mean(0)
    return torch.linalg.qr(x)[0] * n**0.5


def points() -> Tensor:
    """n points whose covariance has the eigenvalues LAMBDA, in rotated axes, around a mean that is not 0."""
    rotation = torch.linalg.qr(torch.randn(D, D, dtype=torch.float64))[0]
    return whitened(N, D) * LAMBDA.sqrt() @ rotation + 0.7


def linear(kind: type[Autoencoder], code_dim: int, objective: Mapping[str, Term | None], **more: Any) -> Any:
    """An autoencoder of linear maps, in float64."""
    bottleneck = Gaussian if kind is VariationalAutoencoder else Deterministic
    options = {"bottleneck": bottleneck, "likelihood": GaussianLikelihood, **more}
    return kind(SPEC, MLP(hidden=()), code_dim, objective=objective, optimizers=TUNING, **options).double()


def minimised(family: Autoencoder, x: Tensor, noise: dict[str, Tensor]) -> float:
    """The least loss that L-BFGS finds. The likelihood rounds means to float32, so that 1e-7 is as flat as it gets."""
    optimizer = torch.optim.LBFGS(
        family.parameters(), max_iter=2000, history_size=50, line_search_fn="strong_wolfe", tolerance_change=1e-10
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = family.loss("model", Batch(x), noise).total
        total.backward()
        return total

    for _ in range(3):
        optimizer.step(closure)
    return float(closure().detach())


def covariance(x: Tensor) -> Tensor:
    return torch.cov(x.T, correction=0)


def map_of(family: Autoencoder) -> Tensor:
    """The Jacobian of x ↦ x̂, (D, D)."""
    return torch.func.jacrev(lambda x: family.reconstruct(x[None])[0])(torch.zeros(D, dtype=torch.float64))


def test_a_linear_autoencoder_finds_the_principal_subspace() -> None:
    """MSE Σ_{i>d} λᵢ, and the map x ↦ x̂ is the projector on the first d principal directions."""
    x, d = points(), 2
    family = linear(PlainAutoencoder, d, {"reconstruction": Reconstruction()})
    minimised(family, x, {})
    mse = float((family.reconstruct(x) - x).square().sum(1).mean())
    assert mse == pytest.approx(float(LAMBDA[d:].sum()), rel=1e-5)
    directions = torch.linalg.eigh(covariance(x)).eigenvectors[:, -d:]
    torch.testing.assert_close(map_of(family), directions @ directions.T, rtol=0, atol=1e-3)


def test_a_tied_linear_autoencoder_has_orthonormal_rows_in_the_principal_subspace() -> None:
    """x̂ = Wᵀ(Wx + b) + c is best where WWᵀ = I and the rows of W span the first d principal directions. L-BFGS ends at a
    gradient near 1e-4, as float32 means allow.
    """
    x, d = points(), 2
    family = linear(PlainAutoencoder, d, {"reconstruction": Reconstruction()}, tied=True)
    assert sum(p.numel() for p in family.parameters()) == d * D + d + D
    minimised(family, x, {})
    mse = float((family.reconstruct(x) - x).square().sum(1).mean())
    assert mse == pytest.approx(float(LAMBDA[d:].sum()), rel=1e-5)
    weight = family.coder.bottleneck.linear.weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(d, dtype=torch.float64), rtol=0, atol=1e-3)
    directions = torch.linalg.eigh(covariance(x)).eigenvectors[:, -d:]
    torch.testing.assert_close(weight.T @ weight, directions @ directions.T, rtol=0, atol=1e-3)


def test_a_linear_denoising_autoencoder_is_the_wiener_filter() -> None:
    """Σ(Σ + s²I)⁻¹, with noise whose moments are exact: mean 0, covariance I, uncorrelated with x."""
    both = whitened(N, 2 * D)
    x, noise, s = both[:, :D] * LAMBDA.sqrt(), both[:, D:], 0.8
    objective = {"reconstruction": Reconstruction()}
    family = linear(DenoisingAutoencoder, D, objective, corruption=GaussianNoise(s).double())
    minimised(family, x, {"corruption": noise})
    expected = torch.diag(LAMBDA / (LAMBDA + s**2))
    torch.testing.assert_close(map_of(family), expected, rtol=0, atol=2e-3)


def sigma_points(x: Tensor, d: int) -> tuple[Tensor, Tensor]:
    """x repeated 2d times with noise ±√d eⱼ: its mean and covariance are exact, so a quadratic's expectation is too."""
    eye = d**0.5 * torch.eye(d, dtype=torch.float64)
    noise = torch.cat([eye, -eye])
    return x.repeat_interleave(2 * d, 0), noise.repeat(len(x), 1)


def test_a_linear_variational_autoencoder_is_probabilistic_pca() -> None:
    """Its optimal ELBO is pPCA's log-likelihood, −½[D ln 2π + Σ_{i≤d} ln λᵢ + (D−d) ln σ² + D] a point. Lucas et al. 2019."""
    x, d = points(), 2
    likelihood = partial(GaussianLikelihood, sigma=1.0, learned=True)
    family = linear(VariationalAutoencoder, d, {"reconstruction": Reconstruction(), "kl": KL()}, likelihood=likelihood)
    repeated, noise = sigma_points(x, d)
    least = minimised(family, repeated, {"code": noise})
    variance = float(LAMBDA[d:].mean())
    known = D * math.log(2 * math.pi) + float(LAMBDA[:d].log().sum()) + (D - d) * math.log(variance) + D
    assert least == pytest.approx(known / 2, rel=1e-5)
    assert float(family.likelihood.log_sigma.exp() ** 2) == pytest.approx(variance, rel=1e-2)


def test_a_linear_beta_vae_keeps_the_directions_above_beta_sigma_squared() -> None:
    """β = 2 and σ² = 0.3: of λ = 4, 2, 1, 0.5, 0.25 three are above 0.6. The others' rate goes to zero."""
    x, beta, variance = points(), 2.0, 0.3
    likelihood = partial(GaussianLikelihood, sigma=variance**0.5)
    objective = {"reconstruction": Reconstruction(), "kl": KL(beta)}
    family = linear(VariationalAutoencoder, D, objective, likelihood=likelihood)
    repeated, noise = sigma_points(x, D)
    minimised(family, repeated, {"code": noise})
    parts = family.log_prob(x, torch.Generator()).parts
    # an active direction's rate is ½ ln(λ / βσ²)
    rate = 0.5 * (LAMBDA / (beta * variance)).log().clamp(min=0).sum()
    assert float(parts["rate"].mean()) == pytest.approx(float(rate), rel=1e-2)
    projected = torch.linalg.matrix_rank(map_of(family), atol=0.05)
    assert int(projected) == 3


def exact() -> tuple[Any, Tensor, Tensor]:
    """A linear VAE of one code dimension whose posterior is the exact one; points; and their exact log p(x)."""
    sigma, w, b = 0.6, torch.tensor([1.0, -0.5, 0.8, 0.3, -0.2], dtype=torch.float64), 0.1
    likelihood = partial(GaussianLikelihood, sigma=sigma)
    family = linear(VariationalAutoencoder, 1, {"reconstruction": Reconstruction(), "kl": KL()}, likelihood=likelihood)
    precision = 1 + float(w @ w) / sigma**2
    with torch.no_grad():
        head = family.coder.decoder[0]
        head.weight.copy_(w[:, None])
        head.bias.fill_(b)
        encoder = family.coder.bottleneck.linear
        encoder.weight.copy_(torch.stack([w / (precision * sigma**2), torch.zeros(D, dtype=torch.float64)]))
        encoder.bias.copy_(torch.tensor([-b * float(w.sum()) / (precision * sigma**2), -0.5 * math.log(precision)]))
    x = torch.randn(50, D, dtype=torch.float64)
    evidence = MultivariateNormal(torch.full((D,), b).double(), torch.outer(w, w) + sigma**2 * torch.eye(D)).log_prob(x)
    return family, x, evidence


@torch.no_grad()
def test_bounds_are_the_evidence_under_the_exact_posterior() -> None:
    """For any k and any draw: every weight is p(x). The ELBO holds in the mean over draws alone, and is below."""
    family, x, evidence = exact()
    for k in (2, 7):
        found = family.log_prob(x, torch.Generator().manual_seed(k), k)
        assert (found.kind, found.density, found.evaluations) == ("lower bound", True, k)
        torch.testing.assert_close(found.values, evidence, rtol=1e-5, atol=1e-5)
    draws = torch.stack([family.log_prob(x, torch.Generator().manual_seed(i)).values for i in range(1000)])
    assert bool(((draws.mean(0) - evidence).abs() < 5 * draws.std(0) / 1000**0.5 + 1e-6).all())
    parts = family.log_prob(x, torch.Generator().manual_seed(0)).parts
    torch.testing.assert_close(-parts["rate"] - parts["distortion"], draws[0])


@torch.no_grad()
def test_the_bound_rises_with_k_from_the_elbo_and_stays_below_the_evidence() -> None:
    """With a posterior that is off. Means over 50 points and 100 draws."""
    family, x, evidence = exact()
    family.coder.bottleneck.linear.bias += torch.tensor([0.7, 0.5])
    means, errors = [], []
    for k in (1, 2, 8, 64):
        draws = torch.stack([family.log_prob(x, torch.Generator().manual_seed(i), k).values.mean() for i in range(100)])
        means.append(float(draws.mean()))
        errors.append(float(draws.std()) / 100**0.5)
    for i in range(3):
        assert means[i + 1] - means[i] > 3 * (errors[i] + errors[i + 1])
    assert means[-1] < float(evidence.mean()) + 5 * errors[-1]
    assert float(evidence.mean()) - means[-1] < 0.05 * (float(evidence.mean()) - means[0])

    one = torch.stack([one_sample_bound(family, x, i) for i in range(100)])  # k = 1 of the importance-weighted bound
    assert abs(float(one.mean()) - means[0]) < 5 * (float(one.std()) / 100**0.5 + errors[0])


def one_sample_bound(family: Any, x: Tensor, seed: int) -> Tensor:
    code = family.coder(x, family.coder.bottleneck.noise(len(x), torch.Generator().manual_seed(seed)))
    log_p = family.likelihood.log_prob(family.coder.decode(code.z), x) + family.prior.log_prob(code.z)
    return (log_p - code.posterior.log_prob(code.z)).mean()


def encoder_gradients(family: Any, x: Tensor, noise: Tensor) -> Tensor:
    """The gradient of the bottleneck's weights at each draw of noise, (draws, numbers)."""
    parameters = {k: v.detach() for k, v in family.named_parameters()}
    buffers = dict(family.named_buffers())

    def total(own: dict[str, Tensor], noise: Tensor) -> Tensor:
        return functional_call(family, {**parameters, **buffers, **own}, ("model", Batch(x), {"code": noise})).total

    own = {k: v for k, v in parameters.items() if k.startswith("coder.bottleneck")}
    found = vmap(grad(total), in_dims=(None, 0))(own, noise)
    return torch.cat([v.flatten(1) for v in found.values()], 1)


def test_reparameterised_and_score_function_gradients_agree_in_the_mean_and_not_in_variance() -> None:
    """4,000 draws at the same weights; means within five standard errors. The figures are printed with -s."""
    x, draws = torch.randn(4, D, dtype=torch.float64), 4000
    objective = {"reconstruction": Reconstruction(), "kl": KL()}
    noise = torch.randn(draws, 4, 2, dtype=torch.float64)
    families = {g: linear(VariationalAutoencoder, 2, objective, gradient=g) for g in ("reparameterized", "score")}
    families["score"].load_state_dict(families["reparameterized"].state_dict())
    cost = families["score"].loss("model", Batch(x), {"code": noise[0]}).stats["cost"]
    for _ in range(3):
        families["score"].absorb("model", {"cost": cost.detach()})
    found = {g: encoder_gradients(f, x, noise) for g, f in families.items()}
    means = {g: v.mean(0) for g, v in found.items()}
    variances = {g: v.var(0) for g, v in found.items()}
    error = ((variances["score"] + variances["reparameterized"]) / draws).sqrt()
    assert bool(((means["score"] - means["reparameterized"]).abs() < 5 * error).all())
    assert float(means["reparameterized"].abs().max()) > 10 * float(error.max())
    ratio = float(variances["score"].sum() / variances["reparameterized"].sum())
    print(f"variance of the score function over that of reparameterisation: {ratio:.1f}")
    assert ratio > 2


def test_the_score_function_reports_the_objective_and_not_its_surrogate() -> None:
    x, noise = torch.randn(6, D, dtype=torch.float64), {"code": torch.randn(6, 2, dtype=torch.float64)}
    objective = {"reconstruction": Reconstruction(), "kl": KL(3.0)}
    score = linear(VariationalAutoencoder, 2, objective, gradient="score")
    plain = linear(VariationalAutoencoder, 2, objective)
    plain.load_state_dict(score.state_dict())
    a, b = score.loss("model", Batch(x), noise), plain.loss("model", Batch(x), noise)
    assert torch.equal(a.terms["reconstruction"], b.terms["reconstruction"]) and torch.equal(
        a.terms["kl"], b.terms["kl"]
    )
    assert float(a.total) == float(b.total)
    validation = score.validation_terms(Batch(x), 0)
    expected = validation["reconstruction"].mean() + 3 * validation["kl"].mean()
    torch.testing.assert_close(validation["total"], expected)
    torch.testing.assert_close(validation["criterion"], expected - 2 * validation["kl"].mean())


def test_the_baseline_is_the_running_mean_of_the_cost() -> None:
    family = linear(VariationalAutoencoder, 2, {"reconstruction": Reconstruction(), "kl": KL()}, gradient="score")
    for cost in (10.0, 20.0):
        family.absorb("model", {"cost": torch.tensor(cost, dtype=torch.float64)})
    expected = (0.9 * 0.1 * 10 + 0.1 * 20) / (0.9 * 0.1 + 0.1)
    assert float(family.baseline[0] / family.baseline[1]) == pytest.approx(expected)


BOTTLENECKS = {"sigmoid": partial(Deterministic, activation="sigmoid"), "topk": partial(TopK, k=2)}


def test_a_sparse_autoencoder_without_sparsity_is_refused() -> None:
    rec: dict[str, Term | None] = {"reconstruction": Reconstruction()}
    with pytest.raises(
        PushforwardError, match=r"nothing makes this code sparse; add objective.sparsity, or use.*model=ae"
    ):
        linear(SparseAutoencoder, 4, rec)
    assert "2 largest of 4" in linear(SparseAutoencoder, 4, rec, bottleneck=BOTTLENECKS["topk"]).kind()
    assert "few active" in linear(SparseAutoencoder, 4, {**rec, "sparsity": L1(0.1)}).kind()
    sigmoid = linear(SparseAutoencoder, 4, {**rec, "sparsity": ActivationKL(0.05)}, bottleneck=BOTTLENECKS["sigmoid"])
    assert sigmoid.describe()["model"] == "−log p(x|z) + Σⱼ KL(ρ‖ρ̂ⱼ)"
    with pytest.raises(PushforwardError, match=r"ActivationKL needs unit activations"):
        linear(SparseAutoencoder, 4, {**rec, "sparsity": ActivationKL(0.05)})


def test_what_a_variational_autoencoder_refuses() -> None:
    both: dict[str, Term | None] = {"reconstruction": Reconstruction(), "kl": KL()}
    with pytest.raises(PushforwardError, match=r"model.gradient=reinforce: choose from reparameterized, score"):
        linear(VariationalAutoencoder, 2, both, gradient="reinforce")
    with pytest.raises(PushforwardError, match=r"model.gradient=score weighs its samples by objective.reconstruction"):
        linear(VariationalAutoencoder, 2, {"kl": KL()}, gradient="score")
    with pytest.raises(
        PushforwardError, match=r"gradient=score has no gradient of objective.sparsity, a term of the code"
    ):
        linear(VariationalAutoencoder, 2, {**both, "sparsity": L1()}, gradient="score")
    with pytest.raises(PushforwardError, match=r"KL needs posterior, which"):
        linear(VariationalAutoencoder, 2, both, bottleneck=Deterministic)
    with pytest.raises(PushforwardError, match=r"KL needs posterior and prior.*Use bottleneck=gaussian"):
        linear(PlainAutoencoder, 2, both)
    with pytest.raises(PushforwardError, match=r"has the players model, but optimizers are given for critic"):
        PlainAutoencoder(SPEC, MLP(()), 2, Deterministic, GaussianLikelihood, both, {"critic": TUNING["model"]})
    with pytest.raises(PushforwardError, match=r"Bernoulli is a likelihood of data in \[0, 1\].*likelihood=gaussian"):
        linear(VariationalAutoencoder, 2, both, likelihood=Bernoulli)


def test_the_criterion_is_the_elbo_where_there_is_one() -> None:
    whole = linear(VariationalAutoencoder, 2, {"reconstruction": Reconstruction(), "kl": KL(4.0)})
    ablated = linear(VariationalAutoencoder, 2, {"reconstruction": Reconstruction(), "kl": None})
    assert whole.criterion == ("reconstruction", "kl") and ablated.criterion is None


KINDS = (PlainAutoencoder, SparseAutoencoder, DenoisingAutoencoder, VariationalAutoencoder)


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_is_capable_of(kind: type[Autoencoder]) -> None:
    terms: dict[str, Term | None] = {"reconstruction": Reconstruction()}
    if kind is SparseAutoencoder:
        terms["sparsity"] = L1(0.1)
    more = {"corruption": GaussianNoise(0.1).double()} if kind is DenoisingAutoencoder else {}
    family, x = linear(kind, 3, terms, **more), torch.randn(7, D, dtype=torch.float64)
    z = family.encode(x)
    assert z.shape == (7, 3) and torch.equal(family.reconstruct(x), family.decode(z))
    if isinstance(family, Denoises):
        corrupted, restored = family.denoise(x, torch.Generator().manual_seed(0))
        assert torch.equal(restored, family.reconstruct(corrupted)) and not torch.equal(corrupted, x)
    if isinstance(family, Samples):
        drawn = family.float().sample(9, torch.Generator().manual_seed(0))
        assert drawn.shape == (9, D)
