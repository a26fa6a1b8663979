"""The tour's pictures and captions, from small arrays made up here."""

import math
import re

import numpy as np
import pytest
from PIL import Image

from pushforward import tour
from pushforward.tour import codes, players

RNG = np.random.default_rng(0)
K = 17


def images(*shape: int) -> np.ndarray:
    return RNG.random((*shape, 8, 8))


def latent() -> dict[str, np.ndarray]:
    z = RNG.normal(size=(200, 2))
    return {
        "z": z, "y": np.arange(200) % 10, "extent": np.array([-3.0, 3, -3, 3]), "plane": images(5, 5),
        "plane_ratio": RNG.random((5, 5)) * 2, "holes": RNG.normal(size=(3, 2)), "hole_x": images(3), "near_x": images(3),
        "ratio": np.array([0.5, 1.2, 3.4]), "draws": np.array(2000), "off_fitted": np.array(0.31),
        "off_prior": np.array(0.27), "floor": np.array(0.11), "mse": np.array(0.04),
        "autoencoder_off_fitted": np.array(0.42), "autoencoder_mse": np.array(0.0225),
    }  # fmt: skip


def made(name: str) -> dict[str, np.ndarray]:
    """Arrays as its measuring half gives them."""
    p = np.full(K, 0.5 / (K - 1))
    p[0] = 0.5
    q = np.stack([np.full(K, 1 / K), p])
    h, cross = -(p * np.log2(p)).sum(), -(p * np.log2(q)).sum(1)
    grid = np.linspace(0.01, 0.99, 99)
    everything = {
        "1-entropy": {
            "p": grid, "coin": -grid * np.log2(grid) - (1 - grid) * np.log2(1 - grid), "digit": np.array(3),
            "share": np.array(0.1), "share_bits": np.array(0.469), "levels": p, "pooled_bits": np.array(h),
            "map_bits": np.full((8, 8), 2.0),
        },
        "2-code": {
            "p": p, "names": np.array(["q: all alike", "q: right"]), "q": q, "cross": cross, "kl": cross - h,
            "entropy": np.array(h), "codes": np.array(["fixed", "zip", "flow", "VAE"]), "n_train": np.array(1257),
            "code_kind": np.array(["code", "compressor", "model", "model"]), "code_bits": np.array([4.1, 3.2, 2.5, 2.25]),
        },
        "3-autoencoder": latent(),
        "4-vae": latent(),
        "5-rate-distortion": {
            "beta": np.array([0.1, 1, 10]), "rate": np.array([40.0, 12, 0.5]), "distortion": np.array([70.0, 80, 110]),
            "dim": np.array(64), "inputs": images(4), "reconstructions": images(3, 4), "samples": images(3, 4),
        },
        "6-gradients": {
            "along": np.stack([RNG.normal(1, s, 50) for s in (0.1, 2, 10)]), "seen": np.array([0, 1000]),
            "variance": np.array([[1.0, 2], [100, 240], [1000, 9000]]), "batch": np.array(64),
        },
        "7-game": {
            "seen": np.arange(500) * 64, "critic": np.full(500, 1.25), "generator": np.full(500, 0.8),
            "seen_at": np.array([0, 16000, 32000]), "real": np.array([0.5, 0.6, 0.7]), "test": np.array([0.5, 0.6, 0.5]),
            "fake": np.array([0.5, 0.4, 0.45]), "moments": np.array([0, 16000, 32000]), "samples": images(3, 18),
        },
        "8-families": {
            "names": np.array(["training images", "VAE", "GAN"]), "samples": images(3, 30), "fd": np.array([25.0, 132, 66]),
            "seconds": np.array([0, 1.5, 2]), "images": np.array([0, 50000, 70000]), "evaluations": np.array([0, 1, 1]),
        },
    }  # fmt: skip
    return everything[name]


NUMBERS = {
    "1-entropy": ["1 bit", f"{0.5 * 5 + 0.5:.2f} bits", f"{math.log2(17):.2f}", "2.00", "128 bits"],
    "2-code": [f"{3:.2f} + {math.log2(17) - 3:.2f}", "all alike", "zip pays 3.20", "VAE 2.25", "1,257"],
    "3-autoencoder": ["31 %", "11 %", "2 of the 3", "2,000"],
    "4-vae": ["31 %", "42 %", "27 %", "0.200", "0.150"],
    "5-rate-distortion": ["β = 0.1 to 10", "40 to 0.5", "70 to 110", "least at β = 1, 92"],
    "6-gradients": ["120 times", "4,500 times without baseline"],
    "7-game": ["1.25", f"{2 * math.log(2):.2f}", "0.70", "0.45", "0.50", "has not seen them"],
    "8-families": ["GAN 66, VAE 132", "real images have 25"],
}
"""What each caption must say of the arrays above: entropies of ½ on one level and the rest alike on 16 are ½·1 + ½·5."""


def test_there_are_eight_plots_and_all_are_tested() -> None:
    assert [plot.name for plot in tour.PLOTS] == list(NUMBERS) and len(tour.PLOTS) == 8


@pytest.mark.parametrize("plot", tour.PLOTS, ids=lambda plot: plot.name)
def test_a_plot_and_its_line_come_from_its_file_alone(plot: tour.Plot, tmp_path) -> None:
    np.savez(tmp_path / f"{plot.name}.npz", **made(plot.name))
    path, caption = tour.draw(tmp_path, plot)
    with Image.open(path) as picture:
        assert picture.format == "PNG" and 1240 <= picture.width <= 1250
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 30
    for number in NUMBERS[plot.name]:
        assert number in caption, (number, caption)
    assert "\n" not in caption
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{plot.name}.npz", f"{plot.name}.png"]


def test_the_caption_follows_what_was_measured() -> None:
    """Where a claim may fail, it is made from the numbers."""
    game = made("7-game") | {"test": np.array([0.5, 0.6, 0.69])}
    assert "it knows real images" in players.caption_game(game)
    bound = made("5-rate-distortion") | {"distortion": np.array([40.0, 80, 110])}
    assert "92 at β = 1, least at β = 0.1" in tour.bound.caption_rate_distortion(bound)
    gradients = made("6-gradients")
    off = gradients | {"along": gradients["along"] + 5}
    assert "off by more than two standard errors" in tour.bound.caption_gradients(off)


def test_the_page_holds_everything_itself(tmp_path) -> None:
    for plot in tour.PLOTS[:2]:
        np.savez(tmp_path / f"{plot.name}.npz", **made(plot.name))
        tour.draw(tmp_path, plot)
    html = tour.write_page(tmp_path, tour.PLOTS[:2]).read_text()
    assert html.count("data:image/png;base64,") == 2 and not re.search(r'(src|href)="(?!data:)', html)
    assert "network.hidden=[256]" in html


def test_labels_are_kept_apart_in_their_order() -> None:
    assert players.spread([0.5, 0.52, 0.4], 0.1) == pytest.approx([0.5, 0.6, 0.4])


def test_a_class_is_labelled_where_it_is_dense() -> None:
    dense = RNG.normal([5, 5], 0.1, (50, 2))
    z = np.concatenate([dense, RNG.normal([-5, -5], 3, (50, 2))])
    assert np.linalg.norm(np.array(codes.middle_of(z)) - 5) < 0.5


def test_tiles_off_the_images_are_red() -> None:
    shown = codes.tinted(np.stack([np.stack([np.ones((2, 2)), np.zeros((2, 2))])] * 2), np.array([[0.5, 0.5], [2, 2]]))
    assert shown.shape == (5, 5, 3)
    np.testing.assert_allclose(shown[0, 0], 0)  # ink on the images is black
    np.testing.assert_allclose(shown[0, 4], 1)  # paper is white
    assert shown[4, 0, 0] > 3 * shown[4, 0, 1] and shown[4, 4, 0] > shown[4, 4, 1]
