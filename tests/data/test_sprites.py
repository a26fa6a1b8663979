"""Sprites: exact factors and exact areas."""

import math

import pytest
import torch

from pushforward.data.sources import Sprites


def test_areas_are_those_of_the_shapes() -> None:
    """Area / radius²: 1.4² for the square, π/2 for the ellipse; the heart's (a²+b²−1)³ = a²b³ encloses 3.66197 / 1.4².

    A cell is sampled at 16 points, so an image of boundary length L pixels errs by about √L / 16 pixels: 1 % of the area.
    """
    arrays = Sprites(64, scales=3, orientations=4, positions=3, grey=True).load()
    x, factors = arrays.train.x.gather(torch.arange(len(arrays.train))), arrays.train.factors  # type: ignore[union-attr]
    assert factors is not None and len(x) == 3 * 3 * 4 * 9 and int(x.max()) == 16
    radius = 0.25 * torch.tensor(arrays.factor_values[1])[factors[:, 1]] * 64
    area = x.double().sum((1, 2, 3)) / 16 / radius.square()
    for shape, expected in enumerate((1.96, math.pi / 2, 3.66197 / 1.96)):
        of_shape = area[factors[:, 0] == shape]
        assert of_shape.mean() == pytest.approx(expected, rel=0.01)
        assert (of_shape / expected - 1).abs().max() < 0.05  # nothing is cut off at the frame


def test_factors_say_where_the_sprite_is() -> None:
    arrays = Sprites(32, scales=1, orientations=2, positions=5, grey=True).load()
    x, factors = arrays.train.x.gather(torch.arange(len(arrays.train))).double(), arrays.train.factors  # type: ignore[union-attr]
    assert factors is not None and arrays.factor_sizes == (3, 1, 2, 5, 5)
    mass = x.sum((1, 2, 3))
    axis = (torch.arange(32) + 0.5) / 32
    square = factors[:, 0] == 0  # its centre of mass is its centre
    for factor, dims in ((3, (1, 2)), (4, (1, 3))):
        centre = (x.sum(dims) * axis).sum(1) / mass
        expected = 0.25 + 0.5 * torch.tensor(arrays.factor_values[factor], dtype=torch.float64)[factors[:, factor]]
        assert torch.allclose(centre[square], expected[square], atol=1 / 128)


def test_every_combination_is_another_image_at_any_size() -> None:
    for size, grey, levels in ((8, True, 17), (48, False, 2)):
        arrays = Sprites(size, scales=2, orientations=1, positions=3, grey=grey).load()
        x = arrays.train.x.gather(torch.arange(len(arrays.train)))  # type: ignore[union-attr]
        assert arrays.levels == levels and int(x.max()) == levels - 1
        assert len(x.flatten(1).unique(dim=0)) == len(x) == 3 * 2 * 9


def test_all_images_differ_in_every_orientation() -> None:
    """Orientations divide the angle after which a shape looks the same: 7,680 images, not the 5,120 of whole turns."""
    arrays = Sprites(32, scales=4, orientations=10, positions=8, grey=True).load()
    keys = arrays.train.x.keys()  # type: ignore[union-attr]
    assert keys is not None and len(keys.unique()) == len(arrays.train) == 7680
    turned = Sprites(32, scales=1, orientations=2, positions=1, grey=True).load()
    shapes = turned.train.x.gather(torch.arange(6)).flatten(1)  # type: ignore[union-attr]
    square, eighth, ellipse, quarter, heart, half = shapes.view(6, 32, 32)
    assert not torch.equal(square, eighth) and torch.equal(eighth, eighth.T)
    assert (ellipse.T.int() - quarter.int()).abs().max() <= 1 and (heart.flip(0, 1).int() - half.int()).abs().max() <= 1
    assert arrays.factor_values[2] == tuple(k / 10 for k in range(10))
