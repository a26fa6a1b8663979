"""Pictures from arrays: what is drawn, and that pixels stay what they were."""

import numpy as np
import pytest
from PIL import Image

from pushforward.errors import PushforwardError
from pushforward.report import figures, images, plots
from pushforward.runs import RunDir

RNG = np.random.default_rng(0)


def picture(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_pixels_are_rounded_levels_and_grey_or_rgb():
    levels = np.arange(17, dtype=np.float32).reshape(1, 1, 1, 17) / 16
    np.testing.assert_array_equal(images.pixels(levels)[0, 0], np.rint(255 * np.arange(17) / 16))
    assert images.pixels(np.zeros((2, 3, 4, 5))).shape == (2, 4, 5, 3)
    bytes_ = RNG.integers(0, 256, (2, 1, 4, 4), dtype=np.uint8)
    np.testing.assert_array_equal(images.pixels(bytes_), bytes_[:, 0])
    np.testing.assert_array_equal(images.pixels(np.array([np.nan, -1, 2]).reshape(1, 1, 1, 3))[0, 0], [0, 0, 255])
    with pytest.raises(PushforwardError, match="Images have shape"):
        images.pixels(np.zeros((4, 2, 8, 8)))


@pytest.mark.parametrize(("channels", "side", "scale"), [(1, 8, 6), (1, 28, 2), (3, 32, 2), (3, 64, 1)])
def test_a_grid_shows_every_pixel_enlarged_by_a_whole_number(tmp_path, channels, side, scale):
    x = RNG.integers(0, 256, (4, channels, side, side), dtype=np.uint8)
    shown = picture(images.save(images.grid(x), tmp_path / "grid.png"))
    tile, edge = side * scale, images.GAP
    assert shown.shape[:2] == (2 * tile + images.GUTTER + 2 * edge,) * 2
    step = tile + images.GUTTER
    last = shown[edge + step : edge + step + tile : scale, edge + step : edge + step + tile : scale]
    np.testing.assert_array_equal(last, images.pixels(x)[3])


def test_everything_a_run_has_is_drawn(tmp_path):
    run = RunDir.create(tmp_path / "run", {"choices": {"model": "vae"}})
    x = RNG.random((20, 1, 8, 8))
    run.write_arrays("samples", x=x)
    run.write_arrays("samples_mixture", x=x)
    run.write_arrays("reconstructions", x=x, corrupted=x, reconstruction=x)
    run.write_arrays("interpolation", x=RNG.random((3, 5, 1, 8, 8)))
    run.write_arrays("traversal", x=RNG.random((2, 7, 3, 8, 8)))
    run.write_arrays("latent", z=RNG.normal(size=(50, 2)), y=np.arange(50) % 10)
    extent = np.array([-2, 2, -2, 2])
    run.write_arrays("points", x=x[:, 0, 0, :2], data=x[:, 0, 1, :2], log_density=np.zeros((9, 9)), extent=extent)
    run.write_arrays("something_else", a=x)
    writer = run.curve_writer()
    for seen in (16, 32):
        writer.append(seen, {"train/rate": 1.0, "val/rate": 2.0, "train/penalty": 0.1, "lr/model": 1e-3})
    made = figures.draw_all(run.path)
    stems = "interpolation latent points reconstructions samples samples_mixture traversal curves".split()  # noqa: SIM905
    assert [p.stem for p in made] == stems and all(p.parent == run.samples for p in made)
    assert all(picture(p).std() > 0 for p in made)
    assert picture(run.samples / "traversal.png").ndim == 3  # RGB stays RGB


def test_rate_has_a_second_axis_in_bits_per_dimension(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: kept.append(figure) or path)
    curves = {"images_seen": np.array([0.0, 1.0]), "train/rate": np.array([0.0, 64 * np.log(2)])}
    plots.curves(curves, tmp_path / "c.png", {}, dim=64)
    (ax,) = kept[0].axes
    kept[0].canvas.draw()
    (second,) = ax.child_axes
    # 64 ln 2 nats over 64 dimensions is one bit each
    np.testing.assert_allclose(second.get_ylim(), np.array(ax.get_ylim()) / (64 * np.log(2)))
    assert (ax.get_ylabel(), second.get_ylabel(), ax.get_xlabel()) == ("nats", "bits/dim", "images seen")


def test_no_curves_no_picture(tmp_path):
    run = RunDir.create(tmp_path / "run", {})
    assert figures.draw_all(run.path) == []


def test_a_broken_array_file_is_named(tmp_path):
    run = RunDir.create(tmp_path / "run", {})
    (run.arrays / "samples.npz").write_bytes(b"PK half a file")
    with pytest.raises(PushforwardError, match=r"samples\.npz is damaged"):
        figures.draw_all(run.path)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32)])
def test_comparison_has_the_data_and_a_row_a_model_in_200_kb(make, tmp_path, shape, monkeypatch):
    rows = {}
    stack = images.stack
    monkeypatch.setattr(
        images, "stack", lambda strips, labels: rows.update({tuple(labels): strips}) or stack(strips, labels)
    )
    runs = [make(model, seed, mse=1.0) for model in ("vae", "ae", "gan") for seed in (1, 2)]
    for run in runs:  # noise: nothing compresses worse
        RunDir(run.path).write_arrays("samples", x=RNG.random((30, *shape)))
    RunDir(runs[2].path).write_arrays("samples_mixture", x=RNG.random((30, *shape)))
    RunDir(runs[0].path).write_arrays(
        "reconstructions", x=RNG.random((9, *shape)), reconstruction=RNG.random((9, *shape))
    )
    out = figures.comparison(runs, tmp_path / "comparison.png")
    assert [*rows] == [("data", "ae", "ae, mixture", "vae", "gan")]
    assert out.stat().st_size <= 200_000 and picture(out).std() > 0


def test_comparison_of_points_and_of_nothing(make, tmp_path):
    run = make("realnvp", data="toy2d")
    with pytest.raises(PushforwardError, match="No samples to compare"):
        figures.comparison([run], tmp_path / "none.png")
    RunDir(run.path).write_arrays("samples", x=RNG.normal(size=(100, 2)))
    assert picture(figures.comparison([run], tmp_path / "points.png")).std() > 0


@pytest.mark.parametrize(("n", "d"), [(50, 1), (50, 2), (50, 3), (50, 7), (1, 1), (1, 2), (1, 5), (2, 64)])
def test_points_of_any_dimension_are_drawn(tmp_path, n, d):
    x = RNG.normal(size=(n, d)).astype(np.float32)
    assert picture(figures.samples({"x": x}, tmp_path / "points.png")).ndim == 3
    flat = plots.in_a_plane({"data": x, "samples": x + 1})
    assert all(cloud.shape == (n, 2) for cloud in flat.values())


def test_points_of_several_dimensions_share_the_principal_plane_of_the_first():
    """Data that lie in a plane of ℝ⁵ keep their distances, to rounding in float64."""
    x = RNG.normal(size=(40, 2)) @ np.linalg.qr(RNG.normal(size=(5, 2)))[0].T
    flat = plots.in_a_plane({"data": x, "samples": x[:1]})
    np.testing.assert_allclose(
        np.linalg.norm(flat["data"][1:] - flat["data"][:1], axis=1), np.linalg.norm(x[1:] - x[:1], axis=1), rtol=1e-9
    )
    np.testing.assert_allclose(flat["samples"], flat["data"][:1], atol=1e-9)


def test_points_of_unlike_units_fill_their_panel(tmp_path):
    """Seconds beside millimetres: with equal scales the plane would be a line."""
    for stretch in (1.0, 1e6):
        x = RNG.normal(size=(400, 2)) * [1.0, stretch]
        drawn = picture(plots.points({"x": x, "data": x}, tmp_path / "points.png"))
        assert (drawn < 0.9 * drawn.max()).any(-1).any(0).mean() > 0.5
