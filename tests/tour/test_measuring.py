"""The tour's numbers: known answers on digits, holes of a made-up map, training without a run directory; the whole, slow."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from pushforward import tour
from pushforward.composition import compose
from pushforward.tour import codes, information, models
from pushforward.training import build


@pytest.fixture(scope="module")
def small() -> models.Models:
    """Models that see next to nothing."""
    made = models.Models(seed=1)
    made.trained = lambda name: made.train(name, (*models.RECIPES[name], "budget.epochs=1"))  # type: ignore[method-assign]
    return made


def test_every_plot_is_measured() -> None:
    assert len(tour.PLOTS) == 8
    shown = {name for plot in tour.PLOTS for name in plot.models}
    assert shown == set(models.RECIPES) and len(shown) == 6


@pytest.mark.parametrize("name", models.RECIPES)
def test_the_command_of_a_model_composes_to_the_same_config(name: str, small: models.Models) -> None:
    (line,) = models.commands(name)
    words = [word.strip("'") for word in line.split()[2:]]
    assert compose(words)["model"] == small.build(models.RECIPES[name])[0]["model"]


def test_entropies_of_a_coin_and_of_digits(small: models.Models) -> None:
    found = information.measure_entropy(small)
    at = {round(float(p), 3): float(h) for p, h in zip(found["p"], found["coin"], strict=True)}
    assert at[0.5] == 1.0 and at[0.0] == at[1.0] == 0.0 and max(at.values()) == at[0.5]
    assert at[0.25] == pytest.approx(2 - 0.75 * math.log2(3), abs=1e-12)
    x = small.data.raw_levels("train").numpy()
    shares = np.bincount(x.ravel(), minlength=17) / x.size
    assert float(found["pooled_bits"]) == pytest.approx(
        -(shares[shares > 0] * np.log2(shares[shares > 0])).sum(), abs=1e-9
    )
    assert found["map_bits"].mean() <= found["pooled_bits"] <= math.log2(17)  # conditioning lowers entropy


def test_a_wrong_code_costs_entropy_plus_divergence(small: models.Models) -> None:
    found = information.measure_code(small)
    torch.testing.assert_close(found["cross"], found["entropy"] + found["kl"], rtol=0, atol=1e-12)
    assert float(found["cross"][0]) == pytest.approx(math.log2(17), abs=1e-12)  # all alike: every word is as long
    assert bool((found["kl"] >= 0).all()) and found["kl"].argmin() == 3  # the most images inform best
    assert found["code_bits"][1] == pytest.approx(float(found["cross"][3]), abs=1e-12)
    assert len(found["codes"]) == len(found["code_kind"]) == 9


def test_a_geometric_code_has_the_ratio_of_its_mean() -> None:
    p = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)  # mean 0.75, so r = 3/7
    q = information.geometric(p)
    torch.testing.assert_close(q[1:] / q[:-1], torch.full((2,), 3 / 7, dtype=torch.float64))


def test_holes_lie_within_the_codes_where_none_is() -> None:
    angle = torch.linspace(0, 2 * math.pi, 400)[:, None]
    z = torch.cat([angle.cos(), angle.sin()], 1) * 3  # a ring: its hole is the middle
    draws = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) * 3
    found = codes.holes(draws, z)
    assert found[0].norm() < 0.3  # the emptiest of 2,000 draws is about √(1/2000·2π·9) from the centre at most
    assert bool((found.norm(dim=1) <= 3).all()) and 1 < len(found) <= codes.HOLES
    apart = torch.cdist(found / z.std(0), found / z.std(0)) + 9 * torch.eye(len(found))
    assert apart.min() > codes.APART


def test_the_lattice_is_the_middles_of_its_cells() -> None:
    grid = codes.lattice(torch.tensor([0.0, codes.SIDE, 0.0, 2.0 * codes.SIDE])).view(codes.SIDE, codes.SIDE, 2)
    torch.testing.assert_close(grid[0, 0], torch.tensor([0.5, 1.0]))
    torch.testing.assert_close(grid[-1, 0], torch.tensor([0.5, 2 * codes.SIDE - 1.0]))  # rows run upwards


def test_a_model_is_what_a_run_would_train_and_shows_its_way_there(small: models.Models) -> None:
    trained = small.train("VAE", (*models.RECIPES["VAE"], "budget.epochs=7"))
    frozen, data = small.build((*models.RECIPES["VAE"], "budget.epochs=7"))
    family = build.build_family(frozen, data.spec)
    moments = [images for images, _ in trained.moments]
    assert len(moments) == models.MOMENTS["VAE"] and moments[0] == 0 and moments[-1] == trained.images
    assert trained.images == build.budget_cycles(frozen, family) * 128 and moments == sorted(moments)
    assert len(trained.terms["model/kl"]) == build.budget_cycles(frozen, family)
    before = {key: value.clone() for key, value in trained.family.state_dict().items()}
    for images, shown in trained.on_the_way():
        if images == 0:  # as a run with the same seed begins
            assert all(torch.equal(value, shown.state_dict()[key]) for key, value in family.state_dict().items())
    assert all(torch.equal(value, trained.family.state_dict()[key]) for key, value in before.items())


def test_averaged_weights_are_shown(small: models.Models) -> None:
    """A recipe with a moving average is shown by it; its raw weights, which have moved farther, are put aside."""
    less = ("network.width=8", "budget.epochs=null", "budget.images=640")
    trained = small.train("diffusion", (*models.RECIPES["diffusion"], *less))
    stepper, (_, first) = trained.family.stepper, trained.moments[0]
    names = list(stepper.owned["model"])
    away = [
        sum(float((value - first[name]).square().sum()) for name, value in zip(names, values, strict=True))
        for values in (stepper.parameters["model"], stepper.averages["model"])
    ]
    assert trained.images == 640 and 0 < away[0] < 0.95 * away[1]


@pytest.mark.slow
def test_the_whole_tour(tmp_path, capsys) -> None:
    before = torch.get_num_threads()
    pictures = tour.tour(tmp_path, seed=2)
    assert torch.get_num_threads() == before
    lines = capsys.readouterr().out.splitlines()
    assert len(pictures) == 8 and all(Image.open(path).width > 1200 for path in pictures)
    assert [line[0] for line in lines[1:9]] == list("12345678")
    assert {p.suffix for p in tmp_path.iterdir()} == {".png", ".npz", ".html"} and len(list(tmp_path.iterdir())) == 17
    found = {plot.name: tour.arrays(tmp_path, plot) for plot in tour.PLOTS}
    bound, gradients = found["5-rate-distortion"], found["6-gradients"]
    assert (np.diff(bound["rate"]) < 0).all() and (np.diff(bound["distortion"]) > 0).all()
    assert gradients["variance"][1, -1] > 10 * gradients["variance"][0, -1]
    assert (
        found["8-families"]["fd"].argmin() == 0
    )  # no family is nearer to the test images than the training images are
