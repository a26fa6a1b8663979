"""Sprites: exact factors, exact areas, and the real file where it lies."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from pushforward.data.sources import Sprites
from pushforward.errors import PushforwardError


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


def fake(path: Path) -> None:
    """A file laid out as Matthey et al.'s: colour, shape, scale, orientation, x, y."""
    sizes = (1, 3, 2, 2, 2, 2)
    classes = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, 6)
    images = np.zeros((len(classes), 64, 64), dtype=np.uint8)
    images[np.arange(len(classes)), classes[:, 4], classes[:, 5]] = 1
    np.savez(path, imgs=images, latents_classes=classes, latents_values=classes * 0.5)


def test_the_real_file_is_read_where_asked_for(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone / "dsprites").mkdir()
    fake(alone / "dsprites" / "dsprites.npz")
    monkeypatch.setenv("PUSHFORWARD_DATA", str(alone))
    arrays = Sprites(32, 2, 2, 2, True, dsprites=True).load()
    assert arrays.train.x.shape == (48, 1, 64, 64) and arrays.levels == 2
    assert arrays.factor_sizes == (3, 2, 2, 2, 2) and arrays.factor_values[1] == (0.0, 0.5)
    again = Sprites(32, 2, 2, 2, True, dsprites=str(alone / "dsprites" / "dsprites.npz")).load()
    assert torch.equal(arrays.train.factors, again.train.factors)  # type: ignore[arg-type]


def test_missing_or_wrong_file_is_named(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PushforwardError, match=r"PUSHFORWARD_DATA is not set.*dsprites=false"):
        Sprites(32, 2, 2, 2, True, dsprites=True).load()
    os.mkfifo(alone / "fifo.npz")
    with pytest.raises(PushforwardError, match=r"fifo\.npz is not the dSprites file \(no file\)"):
        Sprites(32, 2, 2, 2, True, dsprites=str(alone / "fifo.npz")).load()
    (alone / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(PushforwardError, match=r"bad\.npz is not the dSprites file"):
        Sprites(32, 2, 2, 2, True, dsprites=str(alone / "bad.npz")).load()
