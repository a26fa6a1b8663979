"""Codes of families as they come from the config; what is known of a code is measured of it."""

from typing import Any

import pytest
import torch

from pushforward.composition import compose
from pushforward.metrics import sparsity
from pushforward.protocol import Subject
from pushforward.protocol.sparsity import ANY, Sparsity
from pushforward.training import build

NAMES = {number.name for number in ANY}
SPARSE = {*NAMES, "mean_activation", "active_per_image"}


def subject(*overrides: str) -> Subject:
    config = compose(["data=digits", *overrides])
    data = build.build_data(config)
    return Subject(build.build_family(config, data.spec).eval(), data)


@torch.no_grad()
@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("sparse_ae", SPARSE | {"units_on_target"}), ("sparse_ae_topk", SPARSE), ("sparse_ae_l1", SPARSE),
        ("ae", NAMES), ("vae", NAMES), ("realnvp", NAMES),
    ],
)  # fmt: skip
def test_every_code_is_measured_and_sparse_ones_more(model: str, names: set[str]) -> None:
    given = subject(f"model={model}")
    family: Any = given.family
    entries = Sparsity()(given)
    assert set(entries) == names
    z = family.encode(given.x())
    whole = sparsity.summary(z, 0.05 if "units_on_target" in names else None)
    for name, entry in entries.items():
        assert entry["value"] == pytest.approx(whole[name][0], rel=1e-5, abs=1e-7), name  # batches of 500: float32
        assert entry["card"]["n"] == 360 and entry["card"]["units"] == z.shape[1] and entry["card"]["split"] == "test"
    if model == "sparse_ae_topk":
        k, d = family.coder.bottleneck.k, z.shape[1]
        assert entries["active_per_image"]["value"] <= k  # rectified: some of the k largest can be 0
        assert entries["population_sparsity"]["value"] >= (1 - k / d) / (1 - 1 / d)  # Cauchy–Schwarz on k units


def test_no_encoder_no_code() -> None:
    entries = Sparsity()(subject("model=gan", "network=mlp"))
    assert set(entries) == NAMES and {entry["na"] for entry in entries.values()} == {"this family has no encoder"}


@torch.no_grad()
def test_fewer_images() -> None:
    assert {entry["card"]["n"] for entry in Sparsity(images=50)(subject("model=ae")).values()} == {50}
