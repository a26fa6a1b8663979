"""The scores as a measure: on data with factors alone, on codes alone, each with its card."""

from collections.abc import Callable

import pytest
import torch

from pushforward.composition import compose
from pushforward.families import Family
from pushforward.protocol import Subject
from pushforward.protocol.disentanglement import Disentanglement
from pushforward.training import build

NAMES = [
    "mig", "dci_disentanglement", "dci_completeness", "dci_informativeness", "sap", "modularity", "beta_vae_score",
    "factor_vae_score",
]  # fmt: skip
MEASURE = Disentanglement(
    images=10_000, bins=20, trees=2, continuous=False, votes=200, test_votes=100, batch=16, most_dimensions=64,
)  # fmt: skip
SMALL = ["data.source.size=16", "data.source.scales=2", "data.source.orientations=4", "data.source.positions=3"]


def subject(*overrides: str, change: Callable[[Family], object] = lambda family: None) -> Subject:
    cfg = compose([*overrides, "network=mlp", "network.hidden=[16]"])
    data = build.build_data(cfg)
    family = build.build_family(cfg, data.spec).eval()
    change(family)
    return Subject(family, data)


@pytest.mark.parametrize("model", ["ae", "vae"])
def test_every_number_has_its_card(model: str) -> None:
    entries = MEASURE(subject(f"model={model}", "data=sprites", *SMALL))
    assert list(entries) == NAMES and all(0 <= e["value"] <= 1 and e["unit"] == "share" for e in entries.values())
    cards = {name: entry["card"] for name, entry in entries.items()}
    # 3·2·4·3·3 images, less a tenth for the test and a twentieth for validation
    assert all(card["n"] == 216 - 22 - 11 and card["better"] == "higher" for card in cards.values())
    assert all(card["factors"] == ["shape", "scale", "orientation", "x", "y"] for card in cards.values())
    assert cards["mig"]["bins"] == 20 and cards["mig"]["split"] == "train"
    assert cards["sap"]["split"] == "test" and cards["sap"]["n_test"] == 22
    assert "share the factor's value" in cards["factor_vae_score"]["method"]


def test_measured_twice_is_the_same() -> None:
    it = subject("model=vae", "data=sprites", *SMALL)
    assert MEASURE(it) == MEASURE(it)


def test_a_factor_that_does_not_vary_is_left_out() -> None:
    entries = MEASURE(subject("model=vae", "data=sprites", *SMALL, "data.source.scales=1"))
    assert entries["mig"]["card"]["factors"] == ["shape", "orientation", "x", "y"]


def test_one_factor_has_nothing_to_be_apart_from(monkeypatch: pytest.MonkeyPatch) -> None:
    it = subject("model=vae", "data=sprites", *SMALL)
    factors = it.factors
    monkeypatch.setattr(it, "factors", lambda *which: factors(*which) * torch.tensor([1, 0, 0, 0, 0]))
    entries = MEASURE(it)
    assert list(entries) == NAMES and all("1 factors vary" in e["na"] for e in entries.values())


def test_data_without_factors_are_not_concerned() -> None:
    assert MEASURE(subject("model=vae", "data=digits")) == {}


def test_what_has_no_code_is_not_applicable() -> None:
    entries = MEASURE(subject("model=gan", "data=sprites", *SMALL))
    assert list(entries) == NAMES and {e["na"] for e in entries.values()} == {"this family has no encoder"}
    wide = MEASURE(subject("model=vae", "data=sprites", *SMALL, "model.code_dim=65"))
    assert {e["na"] for e in wide.values()} == {"its code has 65 dimensions, more than 64"}
