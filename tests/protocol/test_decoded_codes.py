"""Numbers of codes of held-out images: Fréchet distances of what they decode to, the encoder's slope, what pixels tell."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pushforward.composition import compose
from pushforward.metrics.probes import logistic_accuracy
from pushforward.metrics.sample import frechet_distance_of
from pushforward.protocol import Subject
from pushforward.protocol.contraction import Contraction
from pushforward.protocol.probes import Probes
from pushforward.protocol.samples import SampleQuality
from pushforward.training import build
from pushforward.training.evaluate import features_for

W = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))


class Pixels:
    """An autoencoder whose codes are the pixels, or a linear map of them."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, map: nn.Module | None = None) -> None:
        self.map = map or nn.Identity()

    def encode(self, x: Tensor) -> Tensor:
        return self.map(x.flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        return z.view(-1, 1, 8, 8)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    data = build.build_data(compose(["model=ae", "data=digits"]))
    family: Any = Pixels()
    return Subject(family, data, features=features_for(data, compose(["features=pixels"])["features"]))


def test_what_nothing_is_lost_of_is_at_no_distance_and_means_of_two_images_are_at_theirs(subject: Subject) -> None:
    """The squared distance is 0 up to the rounding of a root of float64 covariances; every image is in two pairs, so their mean
    is exact and half of the images' variance is lost, in which the distance is (1 − 1/√2)² tr Σ for independent pairs."""
    entries = SampleQuality(10_000, ["frechet", "kernel"], decoded=["reconstruction", "interpolation"])(subject)
    names = ["fd_pixels", "fd_pixels_reconstruction", "fd_pixels_interpolation", "kd_pixels"]
    assert list(entries) == names
    whole = subject.extractor(subject.raw("test")).double()
    assert abs(entries["fd_pixels_reconstruction"]["value"]) < 1e-4
    spread = float(torch.cov(whole.T).trace())
    # of 360 pairs the covariance of sums is known to about √(2/360) in each direction
    assert entries["fd_pixels_interpolation"]["value"] == pytest.approx((1 - 0.5**0.5) ** 2 * spread, rel=0.15)
    card = entries["fd_pixels_interpolation"]["card"]
    assert card["n"] == 360 and card["sampler"] == "half-way between codes of held-out images"
    assert card["floor"] == pytest.approx(
        frechet_distance_of(subject.extractor(subject.raw("train", 360)), whole), rel=0.5
    )


def test_the_slope_of_a_linear_encoder_is_its_norm(subject: Subject) -> None:
    linear = nn.Linear(64, 5)
    linear.weight.data = W
    subject.family = Pixels(linear)  # type: ignore[assignment]
    entry = Contraction(20)(subject)["encoder_slope"]
    assert entry["value"] == pytest.approx(float(W.norm()), rel=1e-6) and entry["card"]["n"] == 20
    assert entry["card"]["standard_error"] == pytest.approx(0, abs=1e-6)


def test_codes_that_are_pixels_tell_as_much_as_pixels(subject: Subject) -> None:
    entry = Probes(images=200, k=5, c=1.0, max_iter=50, pixels=True)(subject)["probe_logistic"]
    assert entry["card"]["references"] == {"raw pixels": entry["value"]}
    train, test = subject.x("train", 200).flatten(1), subject.x("test", 200).flatten(1)
    y, truth = subject.labels("train", 200), subject.labels("test", 200)
    assert y is not None and truth is not None
    assert entry["value"] == logistic_accuracy(train, y, test, truth, 1.0, 50) > 0.8
    one: Any = Pixels(nn.Linear(64, 1))
    fewer = Probes(images=200, k=5, c=1.0, max_iter=50, pixels=True)(Subject(one, subject.data))["probe_logistic"]
    assert fewer["card"]["references"] == entry["card"]["references"] and fewer["value"] < entry["value"]
