import torch
from sklearn.neighbors import NearestNeighbors
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from pushforward.priors import FittedGaussian, FittedNeighbours


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ring(n: int = 500) -> torch.Tensor:
    angle = 2 * torch.pi * torch.rand(n, generator=generator(1), dtype=torch.float64)
    return torch.stack([angle.cos(), 100 * angle.sin()], 1)  # units of unequal scale


def test_bandwidths_are_the_way_to_the_kth_neighbour():
    z = ring()
    white = (z / z.std(0)).numpy()
    distance, _ = NearestNeighbors(n_neighbors=5).fit(white).kneighbors()  # of a point among the others
    fitted = FittedNeighbours.fit(z, k=5)
    torch.testing.assert_close(fitted.bandwidths * 2**0.5, torch.from_numpy(distance[:, 4]), rtol=1e-7, atol=0)


def test_density_is_torchs_mixture_of_normals():
    fitted = FittedNeighbours.fit(ring())
    z = torch.cat([ring()[:20], torch.zeros(1, 2)])
    parts = Independent(Normal(fitted.centres, fitted.bandwidths[:, None] * fitted.scale), 1)
    theirs = MixtureSameFamily(Categorical(torch.ones(len(fitted.centres), dtype=z.dtype)), parts)
    torch.testing.assert_close(fitted.log_prob(z), theirs.log_prob(z), rtol=1e-9, atol=1e-9)


def test_a_draw_is_as_far_from_its_code_as_the_neighbour():
    """One code's draws: E‖step/s‖² = r²; of n normals in 2 dimensions its relative standard error is 1/√n."""
    fitted = FittedNeighbours(torch.zeros(1, 2), torch.tensor([1.0, 100.0]), torch.tensor([3 / 2**0.5]), 1)
    step = (fitted.sample(10_000, generator()) / fitted.scale).square().sum(1).mean()
    assert abs(float(step) / 9 - 1) < 5 / 100


def test_it_keeps_the_hole_that_a_gaussian_fills():
    z = ring()
    radius = {}
    for density in (FittedNeighbours, FittedGaussian):
        radius[density] = (density.fit(z).sample(2000, generator()) / torch.tensor([1, 100])).norm(dim=1)
    assert float((radius[FittedNeighbours] < 0.5).double().mean()) == 0
    # N(0, ½I): P(r < ½) = 1 − exp(−¼)
    assert abs(float((radius[FittedGaussian] < 0.5).double().mean()) - 0.221) < 0.06


def test_thinned_and_small_sets():
    assert len(FittedNeighbours.fit(ring(), max_codes=50).centres) == 50
    assert FittedNeighbours.fit(ring(3), k=10).k == 2
    assert "5. neighbour from one of 500 codes, d = 2" in FittedNeighbours.fit(ring()).describe()
