import pytest
import torch

from pushforward.metrics import baselines
from pushforward.metrics.baselines import gaussian_pixels, independent_pixels, principal_components, training_images

BASELINES = [gaussian_pixels, independent_pixels, training_images]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def correlated(m: int = 500) -> torch.Tensor:
    """Pixels near 0.5 with spread 0.05 and strong correlations; the last never changes."""
    noise = torch.randn(m, 1, 2, 3, generator=generator(9))
    x = 0.5 + 0.05 * (0.8 * noise[..., :1] + 0.6 * noise)
    x[..., -1, -1] = 0.25
    return x


@pytest.fixture(params=[4096, 5], ids=["dense", "wide"])
def dense(request, monkeypatch):
    """Six pixels are few, or more than are held whole: then five of the images have to do."""
    monkeypatch.setattr(baselines, "DENSE", request.param)
    return request.param


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("n", [0, 10, 700])
def test_shape_and_randomness(baseline, n):
    x, before = correlated(), torch.get_rng_state()
    images = baseline(x, n, generator())
    assert images.shape == (n, 1, 2, 3) and images.dtype == x.dtype
    assert images.equal(baseline(x, n, generator()))
    assert torch.get_rng_state().equal(before)


def test_gaussian_pixels_have_the_pixels_moments(dense):
    """n samples: the mean within 5σ/√n, a covariance entry within 5·√2·σ²/√n, σ² < 0.06² here."""
    x, n = correlated(500 if dense > 6 else dense), 20_000
    images = gaussian_pixels(x, n, generator()).flatten(1)
    bound = 0.06**2 * 2 * 5**0.5
    flat = x.flatten(1)
    sigma2 = float(flat.var(0).max())
    assert float((images.mean(0) - flat.mean(0)).abs().max()) < 5 * sigma2**0.5 / n**0.5
    assert float((torch.cov(images.T) - torch.cov(flat.T)).abs().max()) < 5 * 2**0.5 * sigma2 / n**0.5
    assert sigma2 < bound
    torch.testing.assert_close(images[:, -1], torch.full((n,), 0.25), atol=1e-7, rtol=0)


def test_gaussian_pixels_stay_in_range():
    images = gaussian_pixels(torch.rand(50, 1, 4, 4, generator=generator()).round(), 200, generator())
    assert float(images.min()) == 0 and float(images.max()) == 1


def test_of_many_pixels_components_come_from_products_of_images(monkeypatch):
    """60 images of 64 pixels: the same components by either way; of more than DENSE images, from so many of them."""
    x = torch.rand(60, 1, 8, 8, generator=generator(), dtype=torch.float64)
    whole = principal_components(x, 10)
    monkeypatch.setattr(baselines, "DENSE", 60)
    for one, other in zip(whole, principal_components(x, 10), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)  # float64, entries of order 1
    fewer = principal_components(x.repeat_interleave(2, 0), 10)  # every second, or its twin
    torch.testing.assert_close(fewer.variances, whole.variances, rtol=0, atol=1e-10)


def test_independent_pixels_keep_marginals_and_lose_correlations():
    x = correlated()
    images = independent_pixels(x, 20_000, generator()).flatten(1)
    assert all(torch.isin(images[:, j], x.flatten(1)[:, j]).all() for j in range(6))
    off = torch.corrcoef(images[:, :5].T) - torch.eye(5)
    assert float(off.abs().max()) < 5 / 20_000**0.5
    assert float(torch.corrcoef(x.flatten(1)[:, :3].T)[0, 1]) > 0.5


def test_training_images_are_training_images():
    x = torch.arange(30.0).view(30, 1, 1, 1)
    assert len(training_images(x, 20, generator()).unique()) == 20
    assert torch.isin(training_images(x, 60, generator()), x).all()
