"""Toy densities: exact, normalised, and those that the points come from."""

import math

import pytest
import torch
from torch import Tensor

from pushforward.data.sources import Toy2d
from pushforward.data.sources.densities import DENSITIES, Curves, Density, plane_density
from pushforward.errors import PushforwardError

NAMES = sorted(DENSITIES)


def grid(density: Density, step: float) -> tuple[Tensor, float]:
    x, _ = density.sample(4000, torch.Generator().manual_seed(0))
    reach = math.ceil(float(x.abs().max()) + 0.5)
    side = torch.arange(-reach, reach, step, dtype=torch.float64) + step / 2
    return torch.cartesian_prod(side, side), step * step


def test_there_are_seven() -> None:
    assert len(NAMES) == 7


@pytest.mark.parametrize("name", NAMES)
def test_density_integrates_to_one(name: str) -> None:
    """Midpoint rule; for a Gaussian of width σ its error is exp(−2π²) at a step of σ."""
    density = DENSITIES[name]()
    x, area = grid(density, 1 / 128 if name == "ring" else 1 / 16)
    assert density.log_prob(x).exp().sum() * area == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_points_come_from_the_density(name: str) -> None:
    """Mass of five regions, sampled against integrated: within five standard errors and the grid's error.

    Straight boundaries lie on the grid's lines. A curved one of length 8 cuts 8/h cells, each wrong by about
    p h²/4 either way: √(8/h) p h²/4 < 0.005 for h = 1/16 and p ≤ 0.4.
    """
    density, n = DENSITIES[name](), 40_000
    points, _ = density.sample(n, torch.Generator().manual_seed(1))
    x, area = grid(density, 1 / 128 if name == "ring" else 1 / 16)
    p = density.log_prob(x).exp() * area
    regions = (
        lambda v: v[:, 0] > 0.3125,
        lambda v: v[:, 1] > 0.3125,
        lambda v: (v[:, 0] > 0.5625) & (v[:, 1] < 0.875),
        lambda v: v.norm(dim=1) < 1.3,
        lambda v: v[:, 0] * v[:, 1] > 0.4,
    )
    for region in regions:
        expected = float(p[region(x)].sum())
        tolerance = (
            5 * math.sqrt(0.25 / n) + 0.005
        )  # 0.005: a boundary of length 8 through p ≤ 0.16 over a cell of 0.04, halved
        assert float(region(points).double().mean()) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("name", ["moons", "two_spirals"])
def test_quadrature_has_converged(name: str) -> None:
    density = DENSITIES[name]()
    assert isinstance(density, Curves)
    finer = Curves(density.curves, density.sigma, 2 * len(density.means) // len(density.curves))
    x, _ = density.sample(2000, torch.Generator().manual_seed(0))
    assert torch.allclose(density.log_prob(x), finer.log_prob(x), atol=1e-9)


def test_modes_and_components() -> None:
    counts = {name: len(modes) for name in NAMES if (modes := DENSITIES[name]().modes) is not None}
    assert counts == {"ring": 8, "grid": 25, "8gaussians": 8}
    arrays = Toy2d("ring", n_train=800, n_test=80, seed=0).load()
    assert arrays.modes is not None and arrays.train.y is not None and arrays.mode_width == 0.01
    own = arrays.modes[arrays.train.y]  # each point lies within 6 σ of its own mode
    assert (arrays.train.x - own).norm(dim=1).max() < 0.06


def test_source_is_a_function_of_its_seed() -> None:
    a, b, c = (Toy2d("pinwheel", n_train=100, n_test=50, seed=s).load() for s in (0, 0, 1))
    assert torch.equal(a.train.x, b.train.x) and not torch.equal(a.train.x, c.train.x)  # type: ignore[arg-type]
    assert a.test is not None and a.train.x.shape == (100, 2) and a.test.x.shape == (50, 2)
    x = a.test.x
    assert isinstance(x, Tensor) and x.dtype == torch.float32 and a.log_density is not None
    assert torch.equal(a.log_density(x), Toy2d("pinwheel", 1, 1, 0).log_density(x))


def test_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(PushforwardError, match="two_spirals"):
        Toy2d("two_spiral", n_train=1, n_test=1, seed=0).load()


@pytest.mark.parametrize("name", ["moons", "8gaussians"])
def test_a_scaled_and_shifted_density_integrates_to_one_where_its_points_are(name: str) -> None:
    """Midpoint rule, as above; the mean of 40,000 points is the integral's within five standard errors."""
    density = plane_density(name, 0.15, 2.0, (-1.0, 0.5))
    x, area = grid(density, 1 / 16)
    p = density.log_prob(x).exp() * area
    points, _ = density.sample(40_000, torch.Generator().manual_seed(1))
    assert p.sum() == pytest.approx(1, abs=1e-3)
    error = 5 * points.std(0) / math.sqrt(len(points))
    assert ((points.mean(0) - (p[:, None] * x).sum(0)).abs() < error).all()


def test_modes_move_with_their_density() -> None:
    arrays = Toy2d("8gaussians", n_train=400, n_test=80, seed=0, scale=3 * math.sqrt(2), shift=[1.0, 0.0]).load()
    assert arrays.modes is not None and arrays.train.y is not None
    assert arrays.mode_width == pytest.approx(1.5)  # as Tong et al. have it: a radius of 12
    assert (arrays.modes - torch.tensor([1.0, 0.0])).norm(dim=1).tolist() == pytest.approx([12.0] * 8)
    assert (arrays.train.x - arrays.modes[arrays.train.y]).norm(dim=1).max() < 6 * 1.5


def test_the_moons_of_flow_matchings_tables_have_a_deviation_of_7() -> None:
    """`conf/table/cfm_2d.yaml`: over both coordinates together, as the authors scale them; 5 standard errors at 40,000."""
    x, _ = plane_density("moons", 0.1, 9.682, (-3.631, -3.631)).sample(20_000, torch.Generator().manual_seed(0))
    assert abs(float(x.mean())) < 5 * 7 / math.sqrt(40_000) and float(x.std()) == pytest.approx(
        7, abs=5 * 7 / math.sqrt(80_000)
    )


def test_what_a_density_has_not_is_refused() -> None:
    with pytest.raises(PushforwardError, match="pinwheel is not blurred"):
        Toy2d("pinwheel", 1, 1, 0, sigma=0.2).load()
    with pytest.raises(PushforwardError, match="two numbers"):
        Toy2d("moons", 1, 1, 0, shift=[1.0]).load()
