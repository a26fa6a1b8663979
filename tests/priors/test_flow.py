import pytest
import torch

from pushforward.priors import FittedFlow, FittedGaussian


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ring(n: int, seed: int) -> torch.Tensor:
    """Radius 1 ± 0.1, then 10 times wider along one axis and away from the origin."""
    angle = 2 * torch.pi * torch.rand(n, generator=generator(seed))
    radius = 1 + 0.1 * torch.randn(n, generator=generator(seed + 1))
    return torch.stack([radius * angle.cos(), 10 * radius * angle.sin()], 1) + 5


@pytest.fixture(scope="module")
def fitted() -> FittedFlow:
    return FittedFlow.fit(ring(2000, 0), max_epochs=15)


def test_it_learns_what_a_gaussian_cannot(fitted: FittedFlow):
    """ln of the ring's density: a Gaussian of the same moments is 0.9 nats worse than the truth."""
    z = ring(1000, 7)
    assert fitted.log_prob(z).mean() > FittedGaussian.fit(ring(2000, 0)).log_prob(z).mean() + 0.5
    u = (fitted.sample(2000, generator()) - 5) / torch.tensor([1.0, 10])
    assert float((u.norm(dim=1) < 0.4).double().mean()) < 0.02  # a Gaussian: 15 %


def test_the_density_integrates_to_one(fitted: FittedFlow):
    """Midpoint rule on 400² cells of a density that is smooth on the scale of a cell."""
    x, y = torch.linspace(2, 8, 401), torch.linspace(-25, 35, 401)
    x, y = ((t[1:] + t[:-1]) / 2 for t in (x, y))
    grid = torch.stack(torch.meshgrid(x, y, indexing="ij"), -1).flatten(0, 1)
    total = float(fitted.log_prob(grid).double().exp().sum()) * (6 / 400) * (60 / 400)
    assert abs(total - 1) < 5e-3


def test_samples_are_where_the_density_is(fitted: FittedFlow):
    """Entropy by its own samples: −E log p, twice, within 5 standard errors of each other."""
    first, second = (-fitted.log_prob(fitted.sample(4000, generator(s))) for s in (1, 2))
    error = (first.var() / 4000 + second.var() / 4000).sqrt()
    assert abs(first.mean() - second.mean()) < 5 * error
    truth = -fitted.log_prob(ring(4000, 3)).mean()
    assert abs(first.mean() - truth) < 0.15  # a good fit: cross entropy is near its own entropy


def test_it_starts_as_the_gaussian_of_the_codes():
    z = ring(200, 0)
    untrained = FittedFlow.fit(z, max_epochs=0)
    torch.testing.assert_close(untrained.log_prob(z), FittedGaussian.fit(z).log_prob(z), rtol=1e-4, atol=1e-4)
    assert untrained.epochs == 0 and "0 epochs" in untrained.describe()


def test_one_unit_has_one_spline():
    z = torch.cat([torch.randn(500, 1, generator=generator(s)) * 0.2 + m for s, m in ((0, -1.0), (1, 1.0))])
    flow, x = FittedFlow.fit(z, max_epochs=20), torch.linspace(-4, 4, 2001)[:, None]
    assert flow.log_prob(z).mean() > FittedGaussian.fit(z).log_prob(z).mean() + 0.2
    assert abs(float(torch.trapezoid(flow.log_prob(x).exp(), x[:, 0])) - 1) < 5e-3


def test_it_is_fitted_where_gradients_are_off():
    with torch.inference_mode():
        flow = FittedFlow.fit(ring(100, 0), max_epochs=2)
        assert flow.sample(3, generator()).isfinite().all()
    assert not any(p.requires_grad for p in flow.parameters())
