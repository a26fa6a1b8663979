"""Off the manifold: a hole, distributions that are equal and far, parity with prdc's precision."""

import math

import pytest
import torch
from prdc import compute_prdc

from pushforward.metrics.latent import Manifold, remoteness


def off_manifold(fake: torch.Tensor, real: torch.Tensor, k: int) -> float:
    return float(Manifold.of(real, k).outside(fake).double().mean())


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_real_points_are_on_their_manifold_and_far_ones_off():
    x = normal(200, 5, 0)
    assert off_manifold(x, x, 3) == 0
    assert off_manifold(x + 100, x, 3) == 1


def test_the_hole_of_a_ring():
    """200 points on a circle: neighbours are about 2π/200 away, so its centre and radius 1.5 are off, the circle is on."""
    angle = torch.linspace(0, 2 * math.pi, 201)[:-1]
    ring = torch.stack([angle.cos(), angle.sin()], 1)
    between = torch.stack([(angle + math.pi / 200).cos(), (angle + math.pi / 200).sin()], 1)
    manifold = Manifold.of(ring, 3)
    assert manifold.outside(torch.zeros(1, 2)).all() and manifold.outside(1.5 * ring).all()
    assert not manifold.outside(between).any()
    # the third neighbour on a circle of 200 is the second on one side
    far = remoteness(torch.zeros(1, 2), manifold)
    assert float(far.ratio) == pytest.approx(1 / (2 * math.sin(2 * math.pi / 200)), rel=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_one_minus_the_precision_of_prdc(seed):
    real, fake = normal(150, 8, seed), 1.3 * normal(120, 8, seed + 100)
    theirs = compute_prdc(real_features=real.numpy(), fake_features=fake.numpy(), nearest_k=5)["precision"]
    assert off_manifold(fake, real, 5) == pytest.approx(1 - float(theirs), abs=1e-9)
    manifold = Manifold.of(real, 5)
    found = remoteness(fake, manifold)
    assert (found.ratio > 1).equal(manifold.outside(fake))
    assert found.nearest.equal(torch.cdist(fake.double(), real.double()).argmin(1))
