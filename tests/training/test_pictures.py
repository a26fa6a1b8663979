"""How many images the arrays of a run hold."""

from functools import partial

import pytest
import torch

from pushforward.bottlenecks import Deterministic
from pushforward.data import DataModule
from pushforward.data.sources import Npz
from pushforward.distributions import Gaussian
from pushforward.families import PlainAutoencoder, Tuning
from pushforward.networks import MLP
from pushforward.objectives import Reconstruction
from pushforward.training.pictures import PIXELS, images


@pytest.mark.parametrize(("side", "pairs", "lines"), [(8, 16, 8), (128, 16, 5), (256, 16, 1)])
def test_an_array_of_large_images_holds_fewer(side, pairs, lines, tmp_path):
    import numpy as np

    path = tmp_path / "x.npz"
    np.savez(path, x_train=np.zeros((20, side, side), np.uint8), x_test=np.zeros((20, side, side), np.uint8))
    data = DataModule(Npz(str(path)), batch_size=4, validation=4)
    data.setup()
    family = PlainAutoencoder(
        data.spec, MLP(hidden=[1]), 3, partial(Deterministic, activation="identity"), Gaussian,
        {"reconstruction": Reconstruction(weight=1.0)}, {"model": Tuning(torch.optim.Adam, 1e-3)},
    )  # fmt: skip
    with torch.no_grad():
        found = {name: make() for name, make in images(family, data).items()}
    assert len(found["reconstructions"]["x"]) == pairs
    assert found["interpolation"]["x"].shape == (lines, 11, 1, side, side)
    assert len(found["traversal"]["x"]) == min(3, lines)
    for name in ("reconstructions", "interpolation", "traversal"):
        arrays = found[name]
        assert all(x.numel() <= PIXELS for x in arrays.values())
