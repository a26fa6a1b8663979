"""Reconstructions whose errors are known, and who has none."""

import math
from typing import Any

import pytest
import torch

from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.metrics import perceptual
from pushforward.metrics.reconstruction import mse, ssim
from pushforward.protocol import Subject
from pushforward.protocol.reconstruction import Perceptual, Reconstruction
from pushforward.training import build

NAMES = ["mse", "psnr", "ssim", "ms_ssim"]


def subject(*overrides: str) -> Subject:
    config = compose(["network=mlp", "network.hidden=[8]", *overrides])
    data = build.build_data(config)
    return Subject(build.build_family(config, data.spec).eval(), data)


@torch.no_grad()
def test_values_are_means_over_all_images() -> None:
    given = subject("model=ae", "data=digits")
    family: Any = given.family
    entries = Reconstruction()(given)
    assert list(entries) == NAMES
    x, x_hat = given.x(), family.reconstruct(given.x())
    error, similarity = mse(x, x_hat), ssim(x, x_hat)
    rel = 1e-5  # the decoder in batches of 500 and of 360: float32
    assert entries["mse"]["value"] == pytest.approx(float(error.mean()), rel=rel)
    assert entries["mse"]["card"]["standard_error"] == pytest.approx(float(error.std() / math.sqrt(360)), rel=rel)
    assert entries["psnr"]["value"] == pytest.approx(-10 * math.log10(float(error.mean())), rel=rel)
    assert entries["ssim"]["value"] == pytest.approx(float(similarity.mean()), rel=rel)
    assert entries["ssim"]["card"]["window"] == "7×7 Gaussian, σ = 0.955, where it lies on the image whole"
    assert entries["ms_ssim"]["na"] == "5 scales of an 11×11 window take 176 pixels a side, these have 8"
    assert {e["card"]["n"] for e in list(entries.values())} == {360}


@torch.no_grad()
def test_a_perfect_one_and_scales_that_fit() -> None:
    given = subject("model=ae", "data=sprites", "data.source.size=32")
    given.family.reconstruct = lambda x: x  # type: ignore[assignment]
    entries = Reconstruction(images=30, scales=2)(given)
    assert (entries["mse"]["value"], entries["psnr"]["na"]) == (0, "not finite (inf)")
    assert entries["ssim"]["value"] == pytest.approx(1, abs=1e-12)
    assert entries["ms_ssim"]["value"] == pytest.approx(1, abs=1e-12)
    assert entries["ms_ssim"]["card"]["scales"] == 2
    assert entries["ms_ssim"]["card"]["scale_weights"] == [0.1356, 0.8644]  # .0448 and .2856 over their sum
    assert entries["ssim"]["card"]["window"].startswith("11×11 Gaussian, σ = 1.5")
    reason = Reconstruction(images=30)(given)["ms_ssim"]["na"]
    assert reason.endswith("these have 32; metrics.reconstruction.scales=2 fits")
    given.family.reconstruct = lambda x: x * 0.5  # type: ignore[assignment]
    value = float(mse(given.x(n=30), given.x(n=30) * 0.5).mean())
    assert Reconstruction(images=30)(given)["mse"]["value"] == pytest.approx(value, rel=1e-9)


def test_a_model_that_decodes_the_mean_image_says_so() -> None:
    given = subject("model=ae", "data=digits")
    for share, said in ((0.0, "decodes 0% of the images' variance"), (0.05, "decodes 10% of the images' variance")):
        # x̂ = mean + share·(x − mean) explains 1 − (1 − share)² of the variance: 0 and .0975
        given.family.reconstruct = lambda x, share=share: given.x().mean(0) + share * (x - given.x().mean(0))  # type: ignore[assignment]
        assert Reconstruction()(given)["mse"]["card"]["collapsed"] == said
    given.family.reconstruct = lambda x: given.x().mean(0) + 0.06 * (x - given.x().mean(0))  # type: ignore[assignment]
    assert "collapsed" not in Reconstruction()(given)["mse"]["card"]  # .1164


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["model=ae", "data=toy2d"], "points, not images"),
        (["model=gan", "data=digits"], "this family has no encoder and decoder"),
        (["model=realnvp", "data=digits"], "invertible: its reconstruction is exact"),
    ],
)
def test_who_has_none_says_why(overrides: list[str], reason: str) -> None:
    given = subject(*overrides)
    for measure, names in ((Reconstruction(), NAMES), (Perceptual(weights_path="none"), ["lpips"])):
        entries = measure(given)
        assert list(entries) == names
        assert {entry["na"] for entry in entries.values()} == {reason}


@torch.no_grad()
def test_perceptual_distance_takes_weights_from_a_file(tmp_path) -> None:
    torch.manual_seed(0)
    features = perceptual.alexnet()
    torch.save({f"features.{key}": value for key, value in features.state_dict().items()}, tmp_path / "alexnet.pth")
    given = subject("model=ae", "data=digits")
    (entry,) = Perceptual(images=40, weights_path=str(tmp_path / "alexnet.pth"))(given).values()
    family: Any = given.family
    x = given.x(n=40)
    expected = perceptual.LPIPS(features)(x, family.reconstruct(x).clamp(0, 1))
    assert entry["value"] == pytest.approx(float(expected.mean()), rel=1e-5)
    card = entry["card"]
    assert card["preprocessing"] == "8×8 enlarged to 64×64, bilinear, grey as RGB, clipped to [0, 1]"
    assert (card["n"], card["features"]) == (40, "AlexNet, ImageNet") and len(card["features_hash"]) == 12
    with pytest.raises(PushforwardError, match=r"missing\.pth is not available"):
        Perceptual(weights_path="missing.pth")(given)


def test_scales_are_1_to_5() -> None:
    with pytest.raises(PushforwardError, match=r"Reconstruction.scales=6: it must be a whole number from 1 to 5"):
        Reconstruction(scales=6)
