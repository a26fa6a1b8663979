"""Toy densities: a family that is the truth scores perfectly, others what a sample of the truth says of them."""

import math
from typing import Any

import pytest
import torch

from pushforward.composition import compose
from pushforward.data import DataModule
from pushforward.data.sources import Toy2d
from pushforward.data.sources.densities import DENSITIES
from pushforward.families.family import Likelihoods
from pushforward.metrics.modes import high_quality_of_truth
from pushforward.protocol.modes import Modes
from pushforward.protocol.subject import Subject
from pushforward.training import build

MODES = ["modes_found", "high_quality", "reverse_kl_modes"]
MEASURE = Modes(samples=400, cells=2**18, costly_cells=2**10, margin=0.5, density="own")


def data(name: str) -> DataModule:
    source = Toy2d(name, n_train=4000, n_test=2000, seed=0)
    return DataModule(source, batch_size=100, validation=100)


class Sampler:
    """The data's own density as a family that only samples."""

    device = torch.device("cpu")

    def __init__(self, name: str) -> None:
        self.density = DENSITIES[name]()

    def sample(self, n: int, generator: torch.Generator, evaluations: int | None = None) -> torch.Tensor:
        return self.density.sample(n, generator)[0].float()


class Scorer:
    """The data's own density as a family that says how likely an image is; `kind` is what it calls that."""

    device, kind = torch.device("cpu"), "exact"

    def __init__(self, name: str) -> None:
        self.density = DENSITIES[name]()

    def log_prob(self, x: torch.Tensor, generator: torch.Generator) -> Likelihoods:
        return Likelihoods(self.density.log_prob(x), self.kind, True)


class Truth(Sampler, Scorer):
    """Both."""


class Bound(Truth):
    kind = "lower bound"


class Iterative(Truth):
    evaluations, sampler, flow_log_prob, condition = 20, "20 calls", None, None


def measured(name: str, family: Any, measure: Modes = MEASURE) -> dict[str, Any]:
    return measure(Subject(family, data(name)))


def test_the_truth_scores_what_the_floor_says() -> None:
    entries = measured("8gaussians", Truth("8gaussians"))
    assert list(entries) == [*MODES, "w1", "w2", "kl_forward", "kl_reverse"]
    assert all(entry["na"] is None for entry in entries.values())
    value = {name: entry["value"] for name, entry in entries.items()}
    assert value["modes_found"] == 8 == entries["modes_found"]["card"]["perfect"]
    share = entries["high_quality"]["card"]["perfect"]
    assert value["high_quality"] == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / 400))
    for name in ("w1", "w2"):  # both clouds are of the truth: one chance against another
        assert entries[name]["card"]["floor"] / 2 < value[name] < 2 * entries[name]["card"]["floor"]
        assert entries[name]["card"]["n"] == 400 and entries[name]["unit"] == "distance"
    # the model's x are float32: log p is off by |∂ log p| · 2⁻²⁴ |x| ≈ 1e-5 at most, either way
    assert abs(value["kl_forward"]) < 1e-5 and abs(value["kl_reverse"]) < 1e-5
    card = entries["kl_reverse"]["card"]
    assert card["mass_data"] == pytest.approx(1, abs=1e-6) == card["mass_model"] and card["low"] == [-5, -5]


@torch.no_grad()
def test_quadrature_agrees_with_the_mean_over_points() -> None:
    """KL(data ‖ model) is the mean of log p − log q over points of the data, within five standard errors."""
    torch.manual_seed(0)
    d = data("pinwheel")
    cfg = compose(["model=spline_flow", "network=mlp", "network.hidden=[16]", "data=toy2d"])
    family = build.build_family(cfg, d.spec).eval()
    entry = MEASURE(Subject(family, d))["kl_forward"]
    x, _ = DENSITIES["pinwheel"]().sample(20_000, torch.Generator().manual_seed(3))
    log_q = family.log_prob(x.float(), torch.Generator()).values.double()  # type: ignore[operator]
    terms = DENSITIES["pinwheel"]().log_prob(x) - log_q
    assert entry["value"] == pytest.approx(float(terms.mean()), abs=5 * float(terms.std()) / math.sqrt(len(x)))


def test_no_modes_no_columns_of_modes_and_infinity_is_said() -> None:
    family = Truth("moons")
    entries = measured("checkerboard", family)
    assert list(entries) == ["high_quality", "w1", "w2", "kl_forward", "kl_reverse"]
    assert entries["kl_reverse"]["value"] is None and "infinite" in entries["kl_reverse"]["na"]


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        (Bound, "lower bound, no density"),
        (Sampler, "no likelihood"),
        (Iterative, "give 1,600 or more. (metrics.modes.costly_cells)"),
    ],
)
def test_where_there_is_no_density(family: type[Sampler], reason: str) -> None:
    entries = measured("8gaussians", family("8gaussians"), Modes(400, 2**18, 400, 0.5, "own"))
    for name in ("kl_forward", "kl_reverse"):
        assert entries[name]["value"] is None and reason in entries[name]["na"]
    assert entries["w2"]["na"] is None


def test_where_there_are_no_samples() -> None:
    entries = measured("ring", Scorer("ring"))
    for name in (*MODES, "w1", "w2"):
        assert entries[name]["value"] is None and "no prior" in entries[name]["na"]


def test_images_are_no_toy() -> None:
    cfg = compose(["model=vae", "data=digits"])
    d = build.build_data(cfg)
    assert MEASURE(Subject(build.build_family(cfg, d.spec).eval(), d)) == {}


def test_without_modes_quality_is_the_share_in_the_densest_region() -> None:
    """Of the truth 0.9889, of the data turned by half a circle what lies there; parts that are not asked for are no numbers.

    Of the truth: 400 samples at a level that 400 test points set, 5 standard errors of both. Turned: fewer by far.
    """

    class Turned(Truth):
        def sample(self, n: int, generator: torch.Generator, evaluations: int | None = None) -> torch.Tensor:
            return -super().sample(n, generator)

    measure = Modes(400, 2**18, 400, 0.5, "own", parts=("modes",))
    entries = measured("moons", Truth("moons"), measure)
    assert list(entries) == ["high_quality"]
    share = high_quality_of_truth(2)
    spread = 5 * math.sqrt(2 * share * (1 - share) / 400)
    assert entries["high_quality"]["value"] == pytest.approx(share, abs=spread)
    assert entries["high_quality"]["card"]["floor"] == pytest.approx(share, abs=spread)
    assert measured("moons", Turned("moons"), measure)["high_quality"]["value"] < 0.6
