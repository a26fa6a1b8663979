"""How many images the arrays of a run hold."""

from functools import partial

import numpy as np
import pytest
import torch

from pushforward.bottlenecks import Deterministic
from pushforward.composition import compose
from pushforward.data import DataModule
from pushforward.data.sources import Digits, Npz
from pushforward.distributions import Gaussian
from pushforward.families import PlainAutoencoder, Tuning
from pushforward.networks import MLP
from pushforward.objectives import Reconstruction
from pushforward.protocol.plane import Plane
from pushforward.report.page.pictures import Kept
from pushforward.report.page.pictures import moments as shown_moments
from pushforward.report.table_layout import Row
from pushforward.runs import RunDir
from pushforward.training.build import build_family
from pushforward.training.pictures import PIXELS, SIDE, bytes_of, draw, images, noise, some


@pytest.mark.parametrize(("side", "pairs", "lines"), [(8, 16, 8), (128, 16, 5), (256, 16, 1)])
def test_an_array_of_large_images_holds_fewer(side, pairs, lines, tmp_path):
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
    for name in ("reconstructions", "interpolation", "traversal", "plane", "between"):
        arrays = found[name]
        assert all(x.numel() <= PIXELS for x in arrays.values())


def test_a_plane_and_ways_are_what_codes_decode_to():
    data, family = digits("vae")
    with torch.no_grad():
        found = {name: make() for name, make in images(family, data).items()}
    plane, between = found["plane"], found["between"]
    assert plane["x"].dtype == between["x"].dtype == torch.uint8
    assert plane["x"].shape == (SIDE, SIDE, 1, 8, 8) and between["x"].shape == (28, 9, 1, 8, 8)
    at = Plane.of(family.encode(some(family, data, 360)))
    corner = family.decode((at.origin + at.low @ at.directions)[None])
    torch.testing.assert_close(plane["x"][0, 0], bytes_of(corner)[0], atol=1, rtol=0)  # a level: rounding
    first = plane["log_prior"][0, 0]  # the prior is N(0, I) over 16 units
    expected = torch.distributions.Normal(0, 1).log_prob(at.origin + at.low @ at.directions).sum()
    torch.testing.assert_close(first, expected)
    z = family.encode(some(family, data, 8))
    for pair, (i, j) in {0: (0, 1), 2: (1, 2), 27: (6, 7)}.items():
        ends = bytes_of(family.decode(z[[i, j]]))
        torch.testing.assert_close(between["x"][pair, [0, -1]], ends, atol=1, rtol=0)


@pytest.mark.parametrize("recipe", ["ddpm", "edm", "flow_matching"])
def test_a_trajectory_begins_in_noise_and_ends_in_the_samples(recipe):
    data, family = digits(recipe)
    with torch.no_grad():
        steps = family.sampling_steps(3, noise(family), 6)
        made = family.sample(3, noise(family), evaluations=6)
        found = images(family, data)["trajectory"]()
    assert 2 < len(steps) <= 7 and torch.equal(steps[-1], made)
    assert found["x"].dtype == torch.uint8 and found["x"].shape == (len(found["calls"]), 12, 1, 8, 8)
    assert int(found["calls"][0]) == 0 and int(found["calls"][-1]) == int(found["all"])


def digits(recipe):
    cfg = compose([f"model={recipe}", "data=digits", "network=mlp", "network.hidden=[8]"])
    data = DataModule(Digits(), batch_size=64, validation=180)
    data.setup()
    return data, build_family(cfg, data.spec).eval()


@pytest.mark.parametrize(("recipe", "kept"), [("vae", "samples"), ("denoising_ae", "reconstructions")])
def test_a_moment_of_training_keeps_samples_or_else_reconstructions(recipe, kept, tmp_path):
    data, family = digits(recipe)
    run, gaps = RunDir.create(tmp_path / f"{recipe}-digits-s1", {"choices": {"model": recipe, "data": "digits"}}), {}
    draw(run, family, data, gaps, 128)
    draw(run, family, data, gaps, 256)
    draw(run, family, data, gaps)
    assert not gaps
    moments = sorted(path.stem for path in run.arrays.glob("*-*.npz"))
    assert moments == [f"{kept}-000000128", f"{kept}-000000256"]
    with np.load(run.arrays / f"{moments[0]}.npz") as then, np.load(run.arrays / f"{kept}.npz") as at_the_end:
        assert set(then.files) == set(at_the_end.files) and then["x"].dtype == np.uint8
    assert (run.path / "samples" / f"{moments[0]}.png").is_file()
    [shown] = shown_moments([Row((recipe,), [], [run])], Kept())
    assert [step["at"] for step in shown["steps"]] == ["128 images", "256 images", "the end"]
