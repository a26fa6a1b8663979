"""Probes on codes whose classes and factors are known."""

import pytest
import torch
from sklearn.linear_model import LinearRegression

from pushforward.metrics.probes import knn_accuracy, linear_error, logistic_accuracy, standardised

PROBES = [logistic_accuracy, knn_accuracy]


def split(n: int, d: int, apart: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(4, (n,), generator=g)
    centres = torch.eye(4, d) * apart
    return centres[y] + torch.randn(n, d, generator=g), y


@pytest.mark.parametrize("probe", PROBES)
def test_classes_far_apart_are_told(probe):
    assert probe(*split(400, 6, 20, 0), *split(200, 6, 20, 1)) == 1


@pytest.mark.parametrize("probe", PROBES)
def test_codes_without_classes_are_guessed(probe):
    """A quarter is right by chance; binomial, 5σ."""
    found = probe(*split(2000, 6, 0, 0), *split(2000, 6, 0, 1))
    assert abs(found - 0.25) < 5 * (0.25 * 0.75 / 2000) ** 0.5


@pytest.mark.parametrize("probe", PROBES)
def test_scale_and_place_of_a_unit_say_nothing(probe):
    (a, y), (b, truth) = split(400, 6, 3, 0), split(200, 6, 3, 1)
    moved = [z * 10.0 ** torch.arange(6) + 7 for z in (a, b)]
    assert probe(moved[0], y, moved[1], truth) == pytest.approx(probe(a, y, b, truth), abs=0.005)  # one image in 200
    dead = [torch.cat([z, torch.full((len(z), 2), 3.0)], 1) for z in (a, b)]
    assert probe(dead[0], y, dead[1], truth) == pytest.approx(probe(a, y, b, truth), abs=0.005)


@pytest.mark.parametrize("probe", PROBES)
def test_constant_codes_and_one_class(probe):
    _, y = split(100, 6, 3, 0)
    found = probe(torch.ones(100, 6), y, torch.ones(100, 6), y)
    assert found <= float(y.bincount().max()) / 100
    assert probe(torch.randn(20, 3), torch.zeros(20).long(), torch.randn(5, 3), torch.tensor([0, 0, 1, 0, 0])) == 0.8


def test_factors_that_are_linear_in_codes():
    g = torch.Generator().manual_seed(0)
    f = torch.randint(6, (500, 3), generator=g)
    mixed = f.float() @ torch.randn(3, 8, generator=g)
    assert float(linear_error(mixed[:400], f[:400], mixed[400:], f[400:]).max()) < 1e-8  # float32 codes
    unrelated = torch.randn(500, 8, generator=g)
    errors = linear_error(unrelated[:400], f[:400], unrelated[400:], f[400:])
    assert float((errors - 1).abs().max()) < 5 * (2 / 100) ** 0.5  # 100 squares of about 1, and 8/400 for the fit


@pytest.mark.parametrize("seed", range(20))
def test_least_squares_is_sklearns(seed):
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(120, 5, generator=g, dtype=torch.float64)
    f = z @ torch.randn(5, 2, generator=g, dtype=torch.float64) + torch.randn(120, 2, generator=g, dtype=torch.float64)
    a, b = standardised(z[:80], z[80:])
    y, truth = standardised(f[:80], f[80:])
    theirs = LinearRegression().fit(a.numpy(), y.numpy()).predict(b.numpy())
    expected = (torch.from_numpy(theirs) - truth).square().mean(0)
    torch.testing.assert_close(linear_error(z[:80], f[:80], z[80:], f[80:]), expected, rtol=1e-9, atol=0)


def test_a_factor_that_never_changes_has_no_error():
    f = torch.stack([torch.arange(50), torch.ones(50).long()], 1)
    errors = linear_error(f.float(), f, f.float(), f)
    assert float(errors[0]) < 1e-12 and bool(errors[1].isnan())
