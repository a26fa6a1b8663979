"""The aggregate posterior against torch.distributions, by enumeration and in closed form; float64: 1e-12 is rounding."""

import itertools
import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from pushforward.distributions.aggregate import (
    Aggregate,
    log_aggregate,
    log_densities,
    minibatch_stratified,
    minibatch_weighted,
    stratified_log_weights,
    take_apart,
)
from pushforward.distributions.gaussian import kl_standard_normal, log_normal, log_standard_normal

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def posteriors(n: int, d: int, seed: int = 0, spread: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A draw of each of n posteriors, their means and log σ."""
    g = torch.Generator().manual_seed(seed)
    mean, log_std, noise = (torch.randn(n, d, generator=g, dtype=torch.float64) for _ in range(3))
    mean, log_std = spread * mean, 0.5 * log_std - 0.5
    return mean + log_std.exp() * noise, mean, log_std


def test_densities_of_every_pair() -> None:
    z, mean, log_std = posteriors(7, 3)
    wanted = Normal(mean[None], log_std.exp()[None]).log_prob(z[:5, None])  # (m, n, d)
    torch.testing.assert_close(log_densities(z[:5], mean, log_std), wanted.permute(2, 0, 1), **CLOSE)


@pytest.mark.parametrize("block", [1, 100, 1 << 17])
def test_exact_aggregate_is_the_mixture_whatever_the_block(block: int) -> None:
    z, mean, log_std = posteriors(50, 4)
    z = torch.cat((z, 30 * z[:3]))  # also far from every posterior
    weights = Categorical(logits=torch.zeros(50, dtype=torch.float64))
    joint = MixtureSameFamily(weights, Independent(Normal(mean, log_std.exp()), 1)).log_prob(z)
    each = Categorical(logits=torch.zeros(4, 50, dtype=torch.float64))
    marginals = MixtureSameFamily(each, Normal(mean.T, log_std.exp().T)).log_prob(z)
    found = log_aggregate(z, mean, log_std, block)
    torch.testing.assert_close(found.joint, joint, **CLOSE)
    torch.testing.assert_close(found.marginals, marginals, **CLOSE)


def test_one_posterior_is_its_own_aggregate() -> None:
    z, mean, log_std = posteriors(1, 3)
    found = log_aggregate(z, mean, log_std)
    torch.testing.assert_close(found.joint, log_normal(z, mean, log_std), **CLOSE)
    torch.testing.assert_close(found.marginals.sum(1), found.joint, **CLOSE)


def test_the_parts_telescope_and_their_mean_over_the_data_is_the_kl() -> None:
    """4,000 images of one z each: the mean of log q(z|x)/p(z) is the closed form within 4 standard errors."""
    n = 4000
    z, mean, log_std = posteriors(n, 3)
    log_q, log_p = log_normal(z, mean, log_std), log_standard_normal(z)
    parts = take_apart(log_q, log_aggregate(z, mean, log_std), log_p)
    total = torch.stack(parts).sum(0)
    torch.testing.assert_close(total, log_q - log_p, **CLOSE)
    kl = kl_standard_normal(mean, log_std).sum(1)
    difference = total - kl
    assert abs(difference.mean()) < 4 * difference.std() / math.sqrt(n)
    assert parts.mutual_information.max() <= math.log(n) + 1e-12  # q(z) ≥ q(z|x)/N
    assert parts.dimension_kl.mean() > 0 and parts.total_correlation.mean() > 0


def test_total_correlation_of_a_gaussian_aggregate() -> None:
    """½(Σ ln Σᵢᵢ − ln det Σ): the means are a grid of 64² normal quantiles, coloured; Σ is their covariance and σ²I.

    5,000 codes: 4 standard errors, and 2e-3 for a grid that ends at 2.4 deviations and so is not quite Gaussian.
    """
    side, m, sigma = 64, 5000, 1.0
    quantiles = Normal(0.0, 1.0).icdf((torch.arange(side, dtype=torch.float64) + 0.5) / side)
    colour = torch.tensor([[1.0, 0.0], [1.2, 0.6]], dtype=torch.float64)
    mean = torch.cartesian_prod(quantiles, quantiles) @ colour.T
    log_std = torch.full_like(mean, math.log(sigma))
    covariance = mean.T @ mean / len(mean) + sigma**2 * torch.eye(2, dtype=torch.float64)
    closed = 0.5 * (covariance.diagonal().log().sum() - torch.logdet(covariance))
    g = torch.Generator().manual_seed(0)
    chosen = torch.randint(len(mean), (m,), generator=g)
    z = mean[chosen] + sigma * torch.randn(m, 2, generator=g, dtype=torch.float64)
    found = log_aggregate(z, mean, log_std)
    total_correlation = found.joint - found.marginals.sum(1)
    assert closed > 0.1
    assert abs(total_correlation.mean() - closed) < 4 * total_correlation.std() / math.sqrt(m) + 2e-3


def published_weights(n: int, n_data: int, odd: list[int]) -> torch.Tensor:
    """Chen et al. 2018, app. C.2, row by row: `odd[i]` is the other image that takes (N − M)/(NM)."""
    m = n - 1
    weights = torch.full((n, n), 1 / m, dtype=torch.float64)
    for i, k in enumerate(odd):
        weights[i, i], weights[i, k] = 1 / n_data, (n_data - m) / (n_data * m)
    return weights


@pytest.mark.parametrize(("n", "n_data"), [(2, 2), (4, 4), (4, 1000), (64, 1437)])
def test_stratified_weights(n: int, n_data: int) -> None:
    """Rows sum to 1, 1/N on the diagonal, float32; the mean of the published ones over which image is the odd one."""
    weights = stratified_log_weights(n, n_data).exp()
    torch.testing.assert_close(weights.sum(1), torch.ones(n), rtol=1e-5, atol=0)
    torch.testing.assert_close(weights.diagonal(), torch.full((n,), 1 / n_data), rtol=1e-5, atol=0)
    shifts = [published_weights(n, n_data, [(i + s) % n for i in range(n)]) for s in range(1, n)]
    torch.testing.assert_close(weights.double(), torch.stack(shifts).mean(0), rtol=1e-5, atol=1e-9)


def test_stratified_sampling_is_unbiased_and_exact_on_all_data() -> None:
    """Over all 10 batches of 3 of 5 images: E[Σ w q(z|x)] = q(z). Column 0 in place of the diagonal is not."""
    z, mean, log_std = posteriors(5, 2)
    exact = log_aggregate(z, mean, log_std)
    sums, wrong, times = torch.zeros(5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64), torch.zeros(5)
    column = published_weights(3, 5, [1, 2, 0])
    column = column[:1].expand(3, 3)
    batches = list(itertools.combinations(range(5), 3))
    assert len(batches) == 10
    for rows in map(list, batches):
        found = minibatch_stratified(z[rows], mean[rows], log_std[rows], 5)
        pairs = log_densities(z[rows], mean[rows], log_std[rows]).sum(0)
        sums[rows] += found.joint.exp()
        wrong[rows] += (pairs.exp() * column).sum(1)
        times[rows] += 1
    torch.testing.assert_close(sums / times, exact.joint.exp(), rtol=1e-6, atol=0)  # weights are made in float32
    assert ((wrong / times - exact.joint.exp()).abs() > 0.05 * exact.joint.exp()).any()

    whole = minibatch_stratified(z, mean, log_std, 5)
    torch.testing.assert_close(whole.joint, exact.joint, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(whole.marginals, exact.marginals, rtol=1e-6, atol=1e-6)


def test_weighted_sampling_is_low_by_ln_n() -> None:
    """Where all posteriors are one, q(z) = q(z|x), and the estimate is that less ln N in the joint and each marginal."""
    z, mean, log_std = posteriors(6, 3)
    mean, log_std = mean[:1].expand(6, 3), log_std[:1].expand(6, 3)
    found = minibatch_weighted(z, mean, log_std, 1000)
    torch.testing.assert_close(found.joint, log_normal(z, mean, log_std) - math.log(1000), **CLOSE)
    total_correlation = found.joint - found.marginals.sum(1)
    torch.testing.assert_close(total_correlation, torch.full((6,), 2 * math.log(1000), dtype=torch.float64), **CLOSE)


def test_minibatch_estimators_do_not_hang_on_the_order_of_the_batch() -> None:
    z, mean, log_std = posteriors(6, 3)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    for estimator in (minibatch_weighted, minibatch_stratified):
        there = estimator(z, mean, log_std, 100)
        again = estimator(z[order], mean[order], log_std[order], 100)
        torch.testing.assert_close(again.joint, there.joint[order], **CLOSE)


def total_correlation_of(estimator):  # type: ignore[no-untyped-def]
    def value(z: torch.Tensor, mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
        found: Aggregate = estimator(z, mean, log_std)
        return (found.joint - found.marginals.sum(-1)).mean()

    return value


ESTIMATORS = {
    "weighted": lambda z, m, s: minibatch_weighted(z, m, s, 100),
    "stratified": lambda z, m, s: minibatch_stratified(z, m, s, 100),
    "exact": lambda z, m, s: log_aggregate(z, m, s, block=8),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_inside_a_loss(name: str) -> None:
    """Gradients by finite differences; two replicas as one give what each gives alone."""
    value = total_correlation_of(ESTIMATORS[name])
    inputs = [t.requires_grad_() for t in posteriors(5, 3)]
    assert torch.autograd.gradcheck(value, inputs)

    two = [torch.stack(pair).float() for pair in zip(posteriors(5, 3, 1), posteriors(5, 3, 2), strict=True)]
    gradients = torch.func.vmap(torch.func.grad_and_value(value, argnums=(0, 1, 2)))(*two)
    for k in range(2):
        alone = torch.func.grad_and_value(value, argnums=(0, 1, 2))(*(t[k] for t in two))
        torch.testing.assert_close([g[k] for g in gradients[0]], list(alone[0]))
        torch.testing.assert_close(gradients[1][k], alone[1])
