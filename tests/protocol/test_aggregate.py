"""The rate in parts, of a VAE and of families that have none."""

import math

import pytest
import torch

from pushforward.composition import compose
from pushforward.protocol import Subject
from pushforward.protocol.aggregate import PARTS, Aggregate
from pushforward.protocol.likelihood import Likelihood
from pushforward.report.tables import relation
from pushforward.training import build

NAMES = {"mutual_information", "total_correlation", "dimension_kl", "marginal_kl", "active_units"}


def subject(model: str, *overrides: str) -> Subject:
    config = compose([f"model={model}", "data=digits", "network.hidden=[32]", *overrides])
    data = build.build_data(config)
    return Subject(build.build_family(config, data.spec).eval(), data)


def test_parts_of_a_vae_add_up_to_its_rate() -> None:
    """One z an image: within 4 standard errors of the closed KL of the same images."""
    given = subject("vae", "model.code_dim=4")
    entries = Aggregate(200, 0.01)(given)
    assert set(entries) == NAMES
    value = {name: entry["value"] for name, entry in entries.items()}
    error = {name: entry["card"].get("standard_error") for name, entry in entries.items()}
    family = given.family
    rate = family.log_prob(given.x(n=200), given.generator("any")).parts["rate"].mean()  # type: ignore[operator]
    whole = value["mutual_information"] + value["marginal_kl"]
    assert abs(whole - float(rate)) < 4 * (error["mutual_information"] + error["marginal_kl"])
    assert value["marginal_kl"] == pytest.approx(value["total_correlation"] + value["dimension_kl"], rel=1e-9)
    assert value["mutual_information"] <= math.log(200)
    assert 0 <= value["active_units"] <= 4
    assert {(e["card"]["n"], e["card"]["aggregate_of"], e["card"]["split"]) for e in entries.values()} == {
        (200, 200, "test")
    }
    assert entries["mutual_information"]["card"]["note"] == "at most ln 200 = 5.298"
    assert entries["active_units"]["card"]["threshold"] == 0.01
    assert Aggregate(200, 0.01)(given) == entries  # the same noise again


def test_information_near_its_limit_is_a_bound() -> None:
    """Posteriors a thousandth as wide as their means lie apart tell every image: ln n, whatever n."""
    given = subject("vae", "model.code_dim=4")
    apart = (3 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0)), torch.full((50, 4), -7.0))
    given.posterior = lambda split=None, n=None: apart  # type: ignore[method-assign]
    entries = Aggregate(50, 0.01)(given)
    assert entries["mutual_information"]["value"] == pytest.approx(math.log(50), abs=1e-3)
    kinds = {name: entry["card"].get("kind") for name, entry in entries.items()}
    assert kinds["mutual_information"] == "at least" and kinds["dimension_kl"] is None
    assert kinds["total_correlation"] == kinds["marginal_kl"] == "at most"
    assert {relation({str(kinds[name])}, None) for name in ("mutual_information", "marginal_kl")} == {"≥", "≤"}
    wide = subject("vae", "model.code_dim=4")
    wide.posterior = lambda split=None, n=None: (apart[0] / 100, torch.zeros(50, 4))  # type: ignore[method-assign]
    assert {entry["card"].get("kind") for entry in Aggregate(50, 0.01)(wide).values()} == {None}


@pytest.mark.parametrize("model", ["ae", "gan", "realnvp"])
def test_families_without_a_posterior_say_so(model: str) -> None:
    entries = Aggregate(100, 0.01)(subject(model, *(["network=mlp"] if model == "gan" else [])))
    assert set(entries) == NAMES
    assert {entry["na"] for entry in entries.values()} == {"this family has no posterior density over codes"}
    assert {entry["value"] for entry in entries.values()} == {None}


def test_of_levels_there_are_active_units_and_rates_of_each() -> None:
    given = subject("ladder_vae", "model.code_dim=4", "model.bottleneck.levels=2", "model.bottleneck.hidden=[8]")
    entries = Aggregate(100, 0.0)(given)
    units = [entries[name]["value"] for name in ("active_units", "active_units_1", "active_units_2")]
    assert units == [6, 4, 2] and set(entries) == NAMES | {"active_units_1", "active_units_2"}
    assert {entries[name]["na"] for name in PARTS} == {"its posterior is no diagonal Gaussian"}
    rates = Likelihood(gap=False)(given)
    assert rates["rate"]["value"] == pytest.approx(rates["rate_1"]["value"] + rates["rate_2"]["value"], rel=1e-5)
