"""Pictures of holes: what is off the manifold has a red frame, and only that."""

import numpy as np
from PIL import Image

from pushforward.report import figures, holes_plot, images

RNG = np.random.default_rng(0)


def test_only_what_is_off_is_framed():
    x = RNG.random((3, 1, 8, 8))
    row = holes_plot.framed(x, np.array([False, True, False]))
    plain = images.strip(x)[..., None].repeat(3, -1)
    width = 8 * 6
    step = width + images.GUTTER
    for i in range(3):
        tile, was = row[:, i * step :][:, :width], plain[:, i * step :][:, :width]
        edge = np.ones(tile.shape[:2], bool)
        edge[holes_plot.FRAME : -holes_plot.FRAME, holes_plot.FRAME : -holes_plot.FRAME] = False
        assert (tile[~edge] == was[~edge]).all()
        assert ((tile[edge] == holes_plot.RED).all(-1) == (i == 1)).all()


def test_all_three_are_drawn(tmp_path):
    x, codes = RNG.random((12, 1, 28, 28)), RNG.normal(size=(300, 2))
    extent = np.array([-2.0, 2, -3, 3])
    kept = {
        "holes": {"fakes": x, "nearest": x, "ratio": np.linspace(4, 0.5, 12)},
        "holes_interpolation": {"x": RNG.random((3, 11, 3, 8, 8)), "ratio": RNG.random((3, 11)) * 2},
        "holes_map": {"ratio": np.exp(RNG.normal(size=(60, 60))), "extent": extent, "codes": codes},
    }
    for name, arrays in kept.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        out = figures.draw(tmp_path / f"{name}.npz", tmp_path / f"{name}.png")
        assert out is not None
        picture = np.asarray(Image.open(out))
        assert picture.ndim == 3 and picture.std() > 0
