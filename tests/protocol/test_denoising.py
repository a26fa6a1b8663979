"""Gains in PSNR: under a family whose way through is x̃ ↦ c·x̃ they are known."""

import math
from typing import Any

import pytest
import torch

from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.protocol import Subject
from pushforward.protocol.denoising import Denoising
from pushforward.training import build

LEVELS = (0.1, 0.25, 0.5, 0.75, 1.0)
NAMES = ["psnr_gain", "psnr_denoised", "psnr_corrupted", *(f"psnr_gain_{level:g}" for level in LEVELS)]


def subject(kept: dict[str, Any], *overrides: str) -> Subject:
    config = compose(["network=mlp", "network.hidden=[8]", "data=digits", *overrides])
    data = build.build_data(config)
    return Subject(build.build_family(config, data.spec).eval(), data, keep=kept.__setitem__)


@torch.no_grad()
def test_shrinking_has_a_known_gain() -> None:
    """MSE σ² before, (1 − c)²⟨x²⟩ + c²σ² after, each within 5√(2/23,040) = 4.7 % of 0.2 dB."""
    kept: dict[str, Any] = {}
    given = subject(kept, "model=ae")
    given.family.reconstruct = lambda x: 0.5 * x  # type: ignore[assignment]
    entries = Denoising()(given)
    assert list(entries) == NAMES
    power = float(given.x().square().mean())
    for level in LEVELS:
        expected = 10 * math.log10(level**2 / (0.25 * power + 0.25 * level**2))
        assert entries[f"psnr_gain_{level:g}"]["value"] == pytest.approx(expected, abs=0.4)
    assert entries["psnr_gain_0.1"]["value"] < 0 < entries["psnr_gain_1"]["value"]
    assert entries["psnr_corrupted"]["value"] == pytest.approx(-20 * math.log10(0.5), abs=0.2)
    assert entries["psnr_gain"]["value"] == entries["psnr_gain_0.5"]["value"]  # the middle level
    assert {e["card"]["note"] for e in entries.values()} == {"not trained to denoise"}
    assert {e["card"]["n"] for e in entries.values()} == {360}
    assert kept["denoising"]["level"].tolist() == pytest.approx(LEVELS) and not kept["denoising"]["trained"].any()

    given.family.reconstruct = lambda x: x  # type: ignore[assignment]
    assert {e["value"] for key, e in Denoising()(given).items() if "gain" in key} == {0.0}


@torch.no_grad()
@pytest.mark.parametrize("sigma", [0.5, 0.3])
def test_a_level_that_was_trained_is_marked(sigma: float) -> None:
    kept: dict[str, Any] = {}
    given = subject(kept, "model=denoising_ae", f"corruption.sigma={sigma}")
    entries = Denoising()(given)
    assert list(entries) == NAMES
    card = entries["psnr_gain"]["card"]
    assert (card["corruption"], card["note"]) == (f"Gaussian noise, σ = {sigma}", "trained on this corruption")
    assert entries["psnr_gain_1"]["card"]["note"] == "not trained on this corruption"
    gain = entries["psnr_denoised"]["value"] - entries["psnr_corrupted"]["value"]
    assert entries["psnr_gain"]["value"] == pytest.approx(gain)
    curve = kept["denoising"]
    assert curve["level"][curve["trained"]].tolist() == pytest.approx([sigma])
    assert len(curve["level"]) == len({*LEVELS, sigma})
    at = int(curve["trained"].nonzero())
    assert float(curve["after"][at] - curve["before"][at]) == pytest.approx(gain, abs=1e-5)  # float32 arrays
    assert Denoising()(given) == entries  # the same noise again


@torch.no_grad()
def test_masking_is_measured_on_masking_and_on_noise() -> None:
    kept: dict[str, Any] = {}
    given = subject(kept, "model=denoising_ae", "corruption=masking")
    entries = Denoising()(given)
    p, x = 0.3, given.x()
    # masked pixels lose all of x²: MSE p⟨x²⟩; the share of 23,040 pixels that is masked is right to 3 % of p at 3 σ
    assert entries["psnr_corrupted"]["value"] == pytest.approx(-10 * math.log10(p * float(x.square().mean())), abs=0.2)
    assert entries["psnr_gain"]["card"]["corruption"] == "masking, p = 0.3"
    assert entries["psnr_gain_0.5"]["card"]["corruption"] == "Gaussian noise, σ = 0.5"
    assert not kept["denoising"]["trained"].any()


def test_who_cannot_says_why() -> None:
    entries = Denoising()(subject({}, "model=gan"))
    assert set(entries) == set(NAMES)
    assert {entry["na"] for entry in entries.values()} == {"this family has no encoder and decoder"}


@pytest.mark.parametrize("levels", [[], [0.0, 0.5]])
def test_levels_are_above_zero(levels: list[float]) -> None:
    with pytest.raises(PushforwardError, match=r"Denoising.levels|give standard deviations"):
        Denoising(levels)
