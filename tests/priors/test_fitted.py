import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from pushforward.errors import PushforwardError
from pushforward.priors import FittedFlow, FittedGaussian, FittedMixture, FittedNeighbours, StandardNormal

FITTED = [FittedGaussian, FittedMixture, FittedNeighbours, FittedFlow]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def codes(n: int = 400, d: int = 3) -> torch.Tensor:
    """Correlated codes away from the origin, of very unequal scales."""
    z = torch.randn(n, d, generator=generator(1), dtype=torch.float64)
    return z @ torch.randn(d, d, generator=generator(2), dtype=torch.float64) * 10 ** torch.arange(d) + 5


def clusters(n: int = 300) -> torch.Tensor:
    centres = torch.tensor([[-10.0, 0], [10, 0], [0, 20]])
    return torch.cat([c + torch.randn(n, 2, generator=generator(i)) for i, c in enumerate(centres)])


def test_standard_normal():
    z = torch.randn(10, 4, generator=generator())
    prior = StandardNormal(4)
    expected = MultivariateNormal(torch.zeros(4), torch.eye(4)).log_prob(z)
    torch.testing.assert_close(prior.log_prob(z), expected)
    samples = prior.sample(10_000, generator())
    assert samples.shape == (10_000, 4) and not prior.state_dict()
    assert float(samples.mean(0).abs().max()) < 5 / 100  # 5σ/√n


def test_fitted_gaussian_matches_moments():
    z = codes()
    prior = FittedGaussian.fit(z)
    covariance = torch.cov(z.T)
    torch.testing.assert_close(prior.means[0], z.mean(0))
    torch.testing.assert_close(prior.scales[0] @ prior.scales[0].T, covariance, rtol=1e-5, atol=0)  # the jitter is 1e-6
    expected = MultivariateNormal(z.mean(0), covariance).log_prob(z)
    torch.testing.assert_close(prior.log_prob(z), expected, rtol=0, atol=1e-2)
    n = 40_000
    samples = (prior.sample(n, generator()) - z.mean(0)) / z.std(0)
    assert float(samples.mean(0).abs().max()) < 5 / n**0.5
    torch.testing.assert_close(torch.cov(samples.T), torch.corrcoef(z.T), rtol=0, atol=5 * 2**0.5 / n**0.5)


def test_fitted_mixture_finds_clusters():
    z = clusters()
    prior = FittedMixture.fit(z, components=3)
    assert prior.components == 3
    means = prior.means[prior.means[:, 0].argsort()]
    expected = torch.tensor([[-10.0, 0], [0, 20], [10, 0]])
    torch.testing.assert_close(means, expected, rtol=0, atol=5 / 300**0.5)  # 5σ/√n
    torch.testing.assert_close(prior.log_weights.exp(), torch.full((3,), 1 / 3), rtol=0, atol=1e-3)
    assert prior.log_prob(z).mean() > FittedGaussian.fit(z).log_prob(z).mean() + 1
    samples = prior.sample(9000, generator())
    nearest = torch.cdist(samples, expected).argmin(1).bincount() / 9000
    assert float((nearest - 1 / 3).abs().max()) < 5 * (2 / 9 / 9000) ** 0.5  # 5 binomial σ


def test_mixture_density_is_torchs():
    prior = FittedMixture.fit(clusters(), components=3)
    theirs = MixtureSameFamily(
        Categorical(logits=prior.log_weights), MultivariateNormal(prior.means, scale_tril=prior.scales)
    )
    z = torch.randn(50, 2, generator=generator()) * 10
    torch.testing.assert_close(prior.log_prob(z), theirs.log_prob(z), rtol=1e-4, atol=1e-4)  # float32, values to 1e3


@pytest.mark.parametrize("density", FITTED)
@pytest.mark.parametrize(
    "z",
    [
        codes(5, 8),
        torch.ones(20, 3),
        torch.zeros(2, 2),
        torch.cat([codes(50, 2), torch.zeros(50, 2)], 1),
        codes(50, 2) @ torch.ones(2, 4, dtype=torch.float64),
        torch.ones(100, 2) * torch.randint(2, (100, 1), generator=generator()),
        codes() * 1e-8,
        codes().float() * 1e8,
    ],
    ids=["few", "constant", "two zeros", "dead units", "on a plane", "two points", "tiny", "huge"],
)
def test_degenerate_codes_still_give_a_density(density, z):
    prior = density.fit(z)
    samples = prior.sample(100, generator())
    assert samples.dtype == z.dtype and samples.shape == (100, z.shape[1])
    assert samples.isfinite().all() and prior.log_prob(z).isfinite().all()
    spread = torch.maximum(10 * z.std(0), torch.full_like(z[0], 1e-3) * z.abs().max().clamp(min=1))
    assert ((samples - z.mean(0)).abs() <= spread).all()


def test_dead_units_stay_dead():
    z = torch.cat([codes(200, 2), torch.full((200, 1), 3.0)], 1)
    for density in FITTED:
        assert float((density.fit(z).sample(100, generator())[:, 2] - 3).abs().max()) < 1e-4


@pytest.mark.parametrize("density", FITTED)
def test_fits_are_a_function_of_codes_and_seed(density):
    z, before = clusters().float(), torch.get_rng_state()
    a, b = density.fit(z), density.fit(z)
    assert a.sample(10, generator()).equal(b.sample(10, generator()))
    assert torch.get_rng_state().equal(before)


def test_many_codes_are_thinned_and_few_get_fewer_components():
    assert FittedMixture.fit(clusters(), components=3, max_codes=60).components == 3
    assert FittedMixture.fit(clusters()[:7], components=10).components == 2  # 7 codes, 3 to a component in 2 dimensions


@pytest.mark.parametrize("density", FITTED)
def test_codes_that_cannot_be_fitted(density):
    with pytest.raises(PushforwardError, match="fitted to 1 code"):
        density.fit(torch.zeros(1, 2))
    with pytest.raises(PushforwardError, match="not finite"):
        density.fit(torch.full((5, 2), float("nan")))


def test_state_survives_a_round_trip():
    a = FittedMixture.fit(clusters(), components=2)
    b = FittedMixture(*(torch.zeros_like(t) for t in (a.log_weights, a.means, a.scales)))
    b.load_state_dict(a.state_dict())
    assert a.sample(5, generator()).equal(b.sample(5, generator()))
