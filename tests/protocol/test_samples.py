"""Samples whose score is known, what each kind of family has, and that reference rows are computed once."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward import priors
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.protocol import Subject, feature_sets, references
from pushforward.protocol.samples import SampleQuality
from pushforward.training import build
from pushforward.training.evaluate import features_for

ALL = ["frechet", "kernel", "manifold", "infinite", "classes", "memory"]
NAMES = {
    "frechet": ["fd_lenet"],
    "kernel": ["kd_lenet"],
    "manifold": ["precision_lenet", "recall_lenet", "density_lenet", "coverage_lenet"],
    "infinite": ["fd_inf_lenet"],
    "classes": ["classifier_score_lenet", "least_class_share", "class_kl"],
    "memory": ["memorised_lenet"],
}
ROWS = ["Gaussian on pixels", "mixture on PCA", "memoriser"]
DENSITIES: dict[str, Any] = {
    "gaussian": priors.FittedGaussian.fit,
    "mixture": partial(priors.FittedMixture.fit, seed=1),
}
Make = Callable[..., Subject]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(autouse=True)
def kept_there(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(outputs))


def make(
    model: str = "vae", *overrides: str, family: Any = None, features: Any = "lenet", data: str = "digits", **more: Any
) -> Subject:
    small = ["network=mlp", "network.hidden=[32]"]
    frozen = compose([f"model={model}", f"data={data}", *small, *overrides])
    module = build.build_data(frozen)
    family = family or build.build_family(frozen, module.spec).eval()
    if isinstance(features, str):
        features = features_for(module, compose([f"features={features}"])["features"])
    return Subject(family, module, features=features, **{"densities": DENSITIES, **more})


class Copies:
    """A sampler that hands out given images, in order and over again."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, x: Tensor) -> None:
        self.x, self.at = x, 0

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        rows = torch.arange(self.at, self.at + n) % len(self.x)
        self.at += n
        return self.x[rows]


def values(entries: dict[str, Any]) -> dict[str, float]:
    return {name: entry["value"] for name, entry in entries.items()}


def test_the_held_out_images_themselves() -> None:
    """Equal sets: distances 0 to float32 rounding of features near 100, and every share as of the images."""
    subject = make(densities={})
    subject.family = Copies(subject.raw("test"))  # type: ignore[assignment]
    entries = SampleQuality(10_000, ALL)(subject)
    assert list(entries) == [name for part in ALL for name in NAMES[part]]
    found = values(entries)
    assert found["fd_lenet"] == pytest.approx(0, abs=1e-3)
    assert found["precision_lenet"] == found["recall_lenet"] == found["coverage_lenet"] == 1
    assert found["density_lenet"] == pytest.approx(1, abs=0.01)
    assert found["class_kl"] == 0
    for name in ("classifier_score_lenet", "least_class_share"):
        assert found[name] == entries[name]["card"]["references"]["held-out images"]
    assert entries["memorised_lenet"]["value"] == entries["memorised_lenet"]["card"]["floor"]
    assert "1 of that of held-out images" in entries["memorised_lenet"]["card"]["note"]
    for name, entry in entries.items():
        card = entry["card"]
        assert card["n"] == 360 and card["features"] == "lenet" and card["sampler"] == "prior", name
        assert isinstance(card["floor"], float) and set(card["references"]) >= set(ROWS), name
    assert entries["precision_lenet"]["card"]["k"] == 5 and entries["fd_inf_lenet"]["card"]["points"] == 15
    assert entries["kd_lenet"]["card"]["standard_error"] >= 0


def test_copies_of_training_images_are_memorised() -> None:
    subject = make(densities={})
    subject.family = Copies(subject.raw("train"))  # type: ignore[assignment]
    entries = SampleQuality(10_000, ["frechet", "memory"])(subject)
    assert entries["memorised_lenet"]["value"] > 0.95  # all but those that have a twin
    assert entries["memorised_lenet"]["card"]["references"]["memoriser"] > 0.95
    assert "distance to the nearest training image: 0 of" in entries["memorised_lenet"]["card"]["note"]
    rows = entries["fd_lenet"]["card"]["references"]
    assert entries["fd_lenet"]["card"]["floor"] < rows["mixture on PCA"] < rows["Gaussian on pixels"]
    assert entries["fd_lenet"]["value"] < rows["mixture on PCA"]


def test_samples_that_are_nearly_all_alike_say_so() -> None:
    subject = make(densities={})
    few = subject.raw("test")
    subject.family = Copies(few[:1])  # type: ignore[assignment]
    card = SampleQuality(10_000, ["frechet"])(subject)["fd_lenet"]["card"]
    assert card["collapsed"] == "samples have 0% of the images' variance"
    subject = make(densities={})
    subject.family = Copies(few[:5])  # type: ignore[assignment]
    assert "collapsed" not in SampleQuality(10_000, ["frechet"])(subject)["fd_lenet"]["card"]


def test_families_without_a_prior_of_their_own() -> None:
    kept: dict[str, dict[str, Tensor]] = {}
    subject = make("ae", keep=kept.__setitem__)
    entries = SampleQuality(200, ["frechet", "kernel", "classes"], further=["mixture"])(subject)
    own = ["fd_lenet", "kd_lenet", *NAMES["classes"]]
    assert set(entries) == {*own, "fd_lenet_gaussian", *(f"{name}_mixture" for name in own)}
    for name in own:
        assert entries[name]["value"] is None and "no prior of its own" in entries[name]["na"]
        assert entries[f"{name}_mixture"]["value"] is not None
        assert entries[f"{name}_mixture"]["card"]["n"] == 200
        assert entries[f"{name}_mixture"]["card"]["sampler"].startswith("mixture of")
    assert set(kept) == {"samples_gaussian", "samples_mixture"}
    assert kept["samples_mixture"]["x"].shape == (64, 1, 8, 8)


def test_families_without_codes_to_fit_a_density_to() -> None:
    for model in ("gan", "realnvp"):
        kept: dict[str, Any] = {}
        entries = SampleQuality(100, ["frechet"])(make(model, keep=kept.__setitem__))
        assert entries["fd_lenet"]["value"] > 0 and not kept
        assert {entries[f"fd_lenet_{name}"]["na"] for name in DENSITIES} == {"no codes to fit a density to"}


def test_a_vae_has_both() -> None:
    kept: dict[str, Any] = {}
    entries = SampleQuality(100, ["frechet"])(make("vae", keep=kept.__setitem__))
    assert all(entry["value"] > 0 for entry in entries.values()) and len(entries) == 3 and not kept


def test_samples_that_are_not_finite() -> None:
    entries = SampleQuality(100, ["frechet", "memory"])(
        make(family=Copies(torch.full((10, 1, 8, 8), torch.nan)), densities={})
    )
    assert {entry["na"] for entry in entries.values()} == {"its samples are not finite"}


def test_other_features() -> None:
    for name in ("random", "pixels"):
        entries = SampleQuality(100, ["frechet", "manifold", "classes"])(make(features=name, densities={}))
        assert list(entries) == [f"{key}_{name}" for key in ("fd", "precision", "recall", "density", "coverage")]
        assert all(entry["value"] is not None for entry in entries.values())


def test_no_features_and_points() -> None:
    entries = SampleQuality(100, ALL)(make(features="none", densities={}))
    assert list(entries) == [name for part in ALL for name in NAMES[part]]
    assert all(entry["na"].startswith("no features") for entry in entries.values())
    entries = SampleQuality(100, ["frechet"])(make(features="none", data="toy2d", densities={}))
    assert entries["fd_lenet"]["na"] == "points, not images"


def test_too_few_images_for_one_number_leave_the_others() -> None:
    entries = SampleQuality(60, ["frechet", "infinite", "manifold"])(make(densities={}))
    assert "60 samples of 84 features" in entries["fd_inf_lenet"]["na"]
    assert all(entry["value"] is not None for name, entry in entries.items() if name != "fd_inf_lenet")


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(
        PushforwardError, match=r"metrics\.samples\.parts: fid is not known; choose from frechet, kernel"
    ):
        SampleQuality(100, ["fid"])
    with pytest.raises(PushforwardError, match=r"there is no density flow; metrics\.densities has gaussian, mixture"):
        SampleQuality(100, ["frechet"], further=["flow"])(make())


# Reference rows -------------------------------------------------------------------------------------------------------


def test_rows_are_computed_once_for_all_runs(outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    drawn: list[str] = []
    for label, sampler in references.SAMPLERS.items():
        monkeypatch.setitem(
            references.SAMPLERS, label, lambda x, label=label, sampler=sampler: drawn.append(label) or sampler(x)
        )  # fmt: skip
    first = SampleQuality(100, ["frechet"])(make(densities={}))
    assert drawn == ROWS
    again = SampleQuality(100, ["frechet"])(make("gan", "data.binarize=static", densities={}))
    assert drawn == ROWS and again["fd_lenet"]["card"]["references"] == first["fd_lenet"]["card"]["references"]
    SampleQuality(100, ["frechet", "manifold"])(make(densities={}))
    assert drawn == 2 * ROWS  # drawn again for the part that is new
    for changed in ({"images": 90}, {"parts": ["manifold"], "k": 4}):
        SampleQuality(**{"images": 100, "parts": ["frechet"], **changed})(make(densities={}))
    assert drawn == 4 * ROWS
    SampleQuality(100, ["frechet"])(make("vae", "data.limit=1000", densities={}))
    SampleQuality(100, ["frechet"])(make(features="random", densities={}))
    assert drawn == 6 * ROWS


def test_floor_and_memoriser_are_means_of_several_draws_of_one_quantity(tmp_path, monkeypatch) -> None:
    """Both are 360 training images against the held-out ones: 10 draws each, whose means agree within 4 standard errors."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    card = SampleQuality(10_000, ["frechet", "memory"])(make(densities={}))["fd_lenet"]["card"]
    drawn = {label: torch.tensor(values, dtype=torch.float64) for label, values in card["reference_draws"].items()}
    assert set(drawn) == {"floor", *ROWS} and all(len(values) == 10 for values in drawn.values())
    for label, values in drawn.items():
        assert len(set(values.tolist())) == 10
        assert float(values.mean()) == pytest.approx(card["floor"] if label == "floor" else card["references"][label])
    floor, memoriser = drawn["floor"], drawn["memoriser"]
    error = float((floor.var() / 10 + memoriser.var() / 10).sqrt())
    assert abs(float(floor.mean() - memoriser.mean())) < 4 * error


def test_what_has_one_draw_alone_has_no_spread(tmp_path, monkeypatch) -> None:
    """Held-out images are what they are; so are all training images together."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    found = SampleQuality(10_000, ["memory", "classes"])(make(densities={}))
    assert "floor" not in found["memorised_lenet"]["card"]["reference_draws"]
    assert "held-out images" not in found["class_kl"]["card"]["reference_draws"]
    subject = make(densities={})
    assert list(references.drawn(subject, subject.size("train"))[feature_sets.TRAIN]) == [feature_sets.TRAIN]
    assert [references.draws(n) for n in (10, 360, 4000, 10_000)] == [10, 10, 5, 3]


def test_rows_kept_under_other_names_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    subject = make(densities={})
    part = feature_sets.parts(5, 15)["frechet"][0]
    before = references.references(subject, 100, {"fd": part})["fd"]
    renamed = replace(part, numbers=(feature_sets.Number("frechet_{}", "feature²", "lower"),))
    after = references.references(subject, 100, {"fd": renamed})["fd"]
    assert list(before) == ["fd_{}"] and list(after) == ["frechet_{}"]
    assert before["fd_{}"] == after["frechet_{}"]


def test_features_that_nothing_identifies_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))

    class Own:
        name = "own"

        def __init__(self) -> None:
            self.card = {"features": self.name}

        def __call__(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, 10:14]

    entries = SampleQuality(100, ["frechet"])(make(features=Own(), densities={}))
    assert set(entries["fd_own"]["card"]["references"]) == set(ROWS) and not (tmp_path / "cache").exists()


def test_a_mixture_on_pca_has_the_pixels_moments() -> None:
    """Of 64 pixels 50 components hold all but 0.1 % of the variance; 3,000 draws: a pixel's mean within 5·0.5/√3000."""
    train = make(densities={}).raw("train")
    x = references.mixture_on_pca(train)(3000, torch.Generator().manual_seed(0))
    assert x.shape == (3000, 1, 8, 8) and x.dtype == train.dtype and float(x.min()) >= 0 and float(x.max()) <= 1
    assert x.equal(references.mixture_on_pca(train)(3000, torch.Generator().manual_seed(0)))
    # clipping at 0 moves a mean by at most E[(−x)⁺], here below 0.05
    assert float((x.mean(0) - train.mean(0)).abs().max()) < 5 * 0.5 / 3000**0.5 + 0.05


def test_numbers_of_all_parts_have_names_of_their_own() -> None:
    numbers = [number for some in feature_sets.parts(5, 15).values() for part in some for number in part.numbers]
    assert len({number.name for number in numbers}) == len(numbers) == 11
    assert json.dumps([part.card and dict(part.card) for some in feature_sets.parts(5, 15).values() for part in some])
