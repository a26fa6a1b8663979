"""Entropies and divergences against closed forms, torch.distributions and scipy; estimates within their standard errors."""

import math
from itertools import pairwise

import pytest
import scipy.spatial.distance
import scipy.stats
import torch
from torch import Tensor
from torch.distributions import Categorical, MultivariateNormal
from torch.distributions import kl_divergence as torch_kl

from pushforward.errors import PushforwardError
from pushforward.metrics.information import (
    Gaussian,
    code_length,
    cross_entropy,
    entropy,
    js_divergence,
    kl_divergence,
    probabilities,
)

CASES = 20
ROUNDING = 1e-12
"""Sums of at most 100 float64 terms of size ≤ 10: 100 · 10 · 2⁻⁵³ ≈ 1e-13, and a factor for solves with κ ≤ 100."""


def discrete(seed: int) -> tuple[Tensor, Tensor]:
    """Two distributions over 2 … 40 outcomes, p with zeros."""
    g = torch.Generator().manual_seed(seed)
    k = 2 + 2 * seed
    p, q = torch.rand(2, k, dtype=torch.float64, generator=g).square()
    p[: k // 4] = 0
    return p / p.sum(), q / q.sum()


def gaussians(seed: int) -> tuple[Gaussian, Gaussian]:
    g = torch.Generator().manual_seed(seed)
    d = 1 + seed % 6
    a = torch.randn(2, d, 2 * d, dtype=torch.float64, generator=g)
    covariance = a @ a.mT / d + 0.2 * torch.eye(d)
    mean = torch.randn(2, d, dtype=torch.float64, generator=g)
    return Gaussian(mean[0], covariance=covariance[0]), Gaussian(mean[1], covariance=covariance[1])


def deviations_discrete() -> dict[str, float]:
    worst = dict.fromkeys(("entropy", "cross entropy", "kl", "js"), 0.0)
    for p, q in map(discrete, range(CASES)):
        reference = {
            "entropy": scipy.stats.entropy(p),
            "cross entropy": float(-(p * q.log()).sum()),
            "kl": scipy.stats.entropy(p, q),
            "js": scipy.spatial.distance.jensenshannon(p, q) ** 2,
        }
        found = {
            "entropy": entropy(p),
            "cross entropy": cross_entropy(p, q),
            "kl": kl_divergence(p, q),
            "js": js_divergence(p, q),
        }
        assert float((entropy(q) - Categorical(q).entropy()).abs()) < ROUNDING
        assert float((kl_divergence(q, p.clamp(min=1e-3) / p.clamp(min=1e-3).sum())
                      - torch_kl(Categorical(q), Categorical(p.clamp(min=1e-3)))).abs()) < ROUNDING  # fmt: skip
        for name in worst:
            worst[name] = max(worst[name], abs(float(found[name]) - reference[name]))
    return worst


def deviations_gaussian() -> dict[str, float]:
    worst = dict.fromkeys(("entropy", "cross entropy", "kl", "log prob"), 0.0)
    for p, q in map(gaussians, range(CASES)):
        a, b = (MultivariateNormal(n.mean, covariance_matrix=n.covariance) for n in (p, q))
        x = p.sample(7, torch.Generator().manual_seed(0))
        pairs = {
            "entropy": (entropy(p), a.entropy()),
            "cross entropy": (cross_entropy(p, q), a.entropy() + torch_kl(a, b)),
            "kl": (kl_divergence(p, q), torch_kl(a, b)),
            "log prob": (q.log_prob(x), b.log_prob(x)),
        }
        for name, (found, reference) in pairs.items():
            worst[name] = max(worst[name], float((found - reference).abs().max() / (1 + reference.abs().max())))
    return worst


def test_twenty_discrete_pairs_agree_with_scipy_and_torch() -> None:
    worst = deviations_discrete()
    assert len(worst) == 4 and max(worst.values()) < ROUNDING, worst


def test_twenty_gaussian_pairs_agree_with_torch() -> None:
    worst = deviations_gaussian()
    assert len(worst) == 4 and max(worst.values()) < ROUNDING, worst


def test_known_answers() -> None:
    for n in (2, 8, 1000):
        assert float(entropy(torch.full((n,), 1 / n))) == pytest.approx(math.log(n), abs=ROUNDING)
    assert float(entropy(torch.tensor([0.5, 0.5]), unit="bits")) == pytest.approx(1, abs=ROUNDING)
    coin = torch.tensor([0.11, 0.89], dtype=torch.float64)  # h(0.11) = 0.49992 bits, Cover & Thomas's half-bit coin
    assert float(entropy(coin, unit="bits")) == pytest.approx(0.499916, abs=1e-6)
    assert float(entropy(torch.tensor([0.0, 1.0, 0.0]))) == 0
    one = Gaussian(torch.zeros(1), log_std=torch.zeros(1))
    assert float(entropy(one)) == pytest.approx(0.5 * math.log(2 * math.pi * math.e), abs=ROUNDING)


def test_relations() -> None:
    for seed in range(CASES):
        p, q = discrete(seed)
        assert float(kl_divergence(p, p)) == 0 and float(kl_divergence(p, q)) > 0
        assert torch.allclose(cross_entropy(p, q), entropy(p) + kl_divergence(p, q), atol=ROUNDING)
        assert torch.allclose(kl_divergence(p, q) / math.log(2), kl_divergence(p, q, unit="bits"), atol=ROUNDING)
        assert torch.allclose(js_divergence(p, q), js_divergence(q, p), atol=ROUNDING)
        assert 0 <= float(js_divergence(p, q, unit="bits")) <= 1
        a, b = gaussians(seed)
        assert abs(float(kl_divergence(a, a))) < ROUNDING and float(kl_divergence(a, b)) > 0


def test_what_q_misses_costs_without_end() -> None:
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([1.0, 0.0, 0.0])
    assert float(kl_divergence(p, q)) == math.inf == float(cross_entropy(p, q))
    assert float(kl_divergence(q, p, unit="bits")) == pytest.approx(1)
    apart = torch.tensor([0.0, 0.0, 1.0])
    assert float(js_divergence(p, apart, unit="bits")) == pytest.approx(1)


def test_diagonal_is_full_covariance_and_the_vae_term() -> None:
    g = torch.Generator().manual_seed(0)
    mean, log_std = torch.randn(2, 5, 3, dtype=torch.float64, generator=g)
    diagonal, standard = Gaussian(mean, log_std=log_std), Gaussian(torch.zeros(5, 3), log_std=torch.zeros(5, 3))
    full = Gaussian(mean, covariance=torch.diag_embed((2 * log_std).exp()))
    expected = 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(1)
    for p in (diagonal, full):
        assert torch.allclose(kl_divergence(p, standard), expected, atol=1e-11)
        assert torch.allclose(entropy(p), log_std.sum(1) + 1.5 * math.log(2 * math.pi * math.e), atol=1e-11)
    assert torch.allclose(kl_divergence(full, diagonal), torch.zeros(5, dtype=torch.float64), atol=1e-11)


def test_correlation_is_what_a_diagonal_code_wastes() -> None:
    """KL of a correlated Gaussian to the product of its marginals is −½ log(1 − ρ²)."""
    for rho in (0.0, 0.5, -0.9):
        p = Gaussian(torch.zeros(2), covariance=torch.tensor([[1.0, rho], [rho, 1.0]], dtype=torch.float64))
        q = Gaussian(torch.zeros(2), log_std=torch.zeros(2))
        assert float(kl_divergence(p, q)) == pytest.approx(-0.5 * math.log1p(-rho * rho), abs=ROUNDING)


@pytest.mark.parametrize(("shift", "loss"), [(1, 1.163451), (2, 0.712633), (4, 0.120854)])
def test_js_of_two_gaussians_is_within_five_standard_errors(shift: float, loss: float) -> None:
    """At the optimal discriminator the GAN's loss is 2 log 2 − 2 JS."""
    zero = torch.zeros(1)
    p, q = Gaussian(zero, log_std=zero), Gaussian(zero + shift, covariance=torch.ones(1, 1))
    found = js_divergence(p, q, n=40_000, generator=torch.Generator().manual_seed(0))
    assert found.n == 40_000 and 0 < found.standard_error < 3e-3
    assert found.value == pytest.approx(math.log(2) - loss / 2, abs=5 * found.standard_error)
    again = js_divergence(p, q, n=40_000, generator=torch.Generator().manual_seed(0), unit="bits")
    assert again.value == pytest.approx(found.value / math.log(2), rel=1e-12)


def test_code_length_is_the_cross_entropy() -> None:
    p, q = gaussians(4)
    found = code_length(q.log_prob(p.sample(20_000, torch.Generator().manual_seed(1))), unit="bits")
    assert found.value == pytest.approx(float(cross_entropy(p, q, unit="bits")), abs=5 * found.standard_error)


def test_marginal_of_a_gaussian() -> None:
    p, _ = gaussians(3)
    x = p.sample(5, torch.Generator().manual_seed(0))
    product = Gaussian(p.mean, log_std=p.covariance.diagonal().log() / 2)  # type: ignore[union-attr]
    for a, b in pairwise(range(4)):
        joint = p.marginal(a, b)
        assert torch.equal(joint.covariance, p.covariance[[a, b]][:, [a, b]])  # type: ignore[index, arg-type]
        assert torch.allclose(
            product.marginal(a, b).log_prob(x[:, [a, b]]),
            p.marginal(a).log_prob(x[:, [a]]) + p.marginal(b).log_prob(x[:, [b]]),
        )


def test_batches_and_float32() -> None:
    p = torch.randn(4, 5, 300, generator=torch.Generator().manual_seed(0)).softmax(-1)
    assert entropy(p).shape == (4, 5) and entropy(p).dtype == torch.float64
    assert torch.allclose(kl_divergence(p, p), torch.zeros(4, 5, dtype=torch.float64))
    assert float((probabilities(p).sum(-1) - 1).abs().max()) < 1e-14


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entropy(torch.tensor([0.5, 0.6])), "sums to 1.1"),
        (lambda: entropy(torch.tensor([1.5, -0.5])), "negative"),
        (lambda: entropy(torch.tensor([math.nan, 1.0])), "negative"),
        (lambda: entropy(torch.tensor([0.5, 0.5]), unit="hartley"), "nats or bits"),  # type: ignore[arg-type]
        (lambda: kl_divergence(torch.tensor([0.5, 0.5]), torch.tensor([1 / 3] * 3)), "2 outcomes and q over 3"),
        (lambda: kl_divergence(torch.tensor([1.0]), gaussians(0)[0]), "one kind"),
        (lambda: kl_divergence(gaussians(0)[0], torch.tensor([1.0])), "one kind"),
        (lambda: js_divergence(*gaussians(0)), "n ≥ 2 and generator"),  # type: ignore[call-overload]
        (lambda: Gaussian(torch.zeros(2)), "not both and not neither"),
        (lambda: Gaussian(torch.zeros(2), covariance=torch.ones(2, 2)), "positive eigenvalues"),
        (lambda: Gaussian(torch.zeros(2), log_std=torch.zeros(3)), "expected"),
    ],
)
def test_refusals_are_one_line(call, message) -> None:
    with pytest.raises(PushforwardError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
