"""Is the latent space whole? Families whose answer is known, and which numbers each kind of family has."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward import priors
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.metrics.sample import frechet_distance_of
from pushforward.protocol import Subject
from pushforward.protocol.interpolation import Interpolation
from pushforward.protocol.latent import LatentSpace
from pushforward.protocol.plane import Plane
from pushforward.protocol.probes import Probes
from pushforward.training import build
from pushforward.training.evaluate import features_for

LATENT = LatentSpace(images=300, k=3, densities=None, most_units=256, worst=5)
WAYS = Interpolation(images=300, k=3, pairs=100, paths=30, steps=8, rows=3)
PROBES = Probes(images=1000, k=10, c=1.0, max_iter=100)
DENSITIES: dict[str, Any] = {
    "gaussian": priors.FittedGaussian.fit,
    "mixture": partial(priors.FittedMixture.fit, seed=1),
}
Make = Callable[..., Subject]
SMALL = ["network=mlp", "network.hidden=[32]"]


class Pixels:
    """An autoencoder whose codes are the pixels: nothing is lost, and what lies between two images is their mean."""

    device, dtype = torch.device("cpu"), torch.float32

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        return z.view(-1, 1, 8, 8)


class Memory:
    """A density that remembers its codes."""

    def __init__(self, z: Tensor) -> None:
        self.z = z

    def to(self, device: Any) -> "Memory":
        return self

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self.z[torch.randint(len(self.z), (n,), generator=generator)]

    def describe(self) -> str:
        return "codes as they were"


@pytest.fixture(scope="module")
def make() -> Make:
    def subject(
        model: str, *overrides: str, family: Any = None, features: bool = True, small: Any = SMALL, **more: Any
    ) -> Subject:
        frozen = compose([f"model={model}", "data=digits", *small, *overrides])
        data = build.build_data(frozen)
        family = family or build.build_family(frozen, data.spec).eval()
        extractor = features_for(data, compose(["features=lenet"])["features"]) if features else None
        return Subject(family, data, features=extractor, **{"densities": DENSITIES, **more})

    return subject


def test_codes_that_are_pixels_and_a_density_that_remembers_them(make: Make) -> None:
    kept: dict[str, dict[str, Tensor]] = {}
    subject = make("ae", family=Pixels(), densities={"memory": Memory}, keep=kept.__setitem__)
    measure = LatentSpace(images=2000, k=3, densities=None, most_units=256, worst=5)
    found = measure(subject)
    card = found["off_manifold_codes"]["card"]
    assert found["off_manifold_codes"]["value"] == card["floor"] > 0  # decoded codes are the test images
    assert card["n"] == 360 and card["n_manifold"] == 1257 and card["features"] == "lenet" and card["k"] == 3
    assert found["off_manifold_memory"]["value"] == 0  # training images lie in their own balls
    gap = found["latent_gap_memory"]
    train, test = (subject.features(subject.raw(split, 360)) for split in ("train", "test"))
    assert gap["value"] > 0 and gap["card"]["n"] == 360
    assert gap["card"]["floor"] == pytest.approx(
        frechet_distance_of(train, test), rel=1e-4
    )  # float32 features, in other batches
    for name in ("off_manifold", "latent_gap"):
        assert "no prior of its own" in found[name]["na"]
    assert not kept  # the family has no draws of its own, and no Gaussian is asked for


def test_too_few_images_for_neighbours_or_pairs_are_not_applicable(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = make("ae", family=Pixels(), densities={})
    monkeypatch.setattr(subject, "size", lambda split: 1)
    assert "makes no pair" in WAYS(subject)["path_length"]["na"]
    few = LatentSpace(images=3, k=3, densities=None, most_units=256, worst=5)(make("ae", family=Pixels(), densities={}))
    assert few["off_manifold"]["na"] == "3 training images have no 3-th neighbours"


def test_ways_between_pixels_are_straight(make: Make) -> None:
    kept: dict[str, dict[str, Tensor]] = {}
    found = WAYS(make("ae", family=Pixels(), keep=kept.__setitem__))
    tails = ["", "_spherical"]
    assert set(found) == {
        *(f"off_manifold_midpoints{tail}" for tail in tails),
        *(f"path_{what}{tail}{end}" for what in ("length", "roughness") for tail in tails for end in ("", "_pixels")),
    }
    assert found["path_length_pixels"]["value"] == pytest.approx(1, abs=1e-6)  # float32 pixels
    assert found["path_roughness_pixels"]["value"] == pytest.approx(1, abs=1e-5)
    assert found["path_length_spherical_pixels"]["value"] > 1.01 and found["path_length"]["value"] > 1.01
    middle = found["off_manifold_midpoints"]
    assert middle["value"] > 3 * middle["card"]["floor"]  # the mean of two digits is no digit
    assert middle["card"]["n"] == 100 and found["path_length"]["card"]["n"] == 30
    ratio = kept["holes_interpolation"]["ratio"]
    assert ratio.shape == (3, 11) and kept["holes_interpolation"]["x"].shape == (3, 11, 1, 8, 8)


def test_what_each_kind_of_family_has(make: Make) -> None:
    """Untrained: only which numbers there are."""
    names = {f"{what}{tail}" for what in ("latent_gap", "off_manifold") for tail in ("", "_gaussian", "_mixture")} | {
        "off_manifold_codes"
    }
    have = {
        "vae": names,
        "ae": names - {"latent_gap", "off_manifold"},
        "gan": {"off_manifold"},
        "realnvp": names,
    }
    for model, there in have.items():
        subject = make(model)
        found = LATENT(subject)
        assert set(found) == names, model
        assert {name for name, entry in found.items() if entry["na"] is None} == there, model
        ways = WAYS(subject)
        assert len(ways) == 10 and all(entry["na"] is None for entry in ways.values()), model
        codes = ways["path_length"]["card"]["codes"]
        assert codes == ("draws from N(0, I)" if model == "gan" else "of test images")
        probes = PROBES(subject)
        assert set(probes) == {"probe_logistic", "probe_knn"}
        assert all((entry["na"] is None) == (model != "gan") for entry in probes.values())


def test_a_family_without_a_latent_space_has_its_samples_measured(make: Make) -> None:
    subject = make("ddpm", small=["network=unet", "network.width=8"])
    subject.once(("samples", "own"), list).append(subject.raw("train", 500))  # instead of a slow sampler's
    found = LATENT(subject)
    assert set(found) == {"off_manifold"} and found["off_manifold"]["value"] < 0.2  # training images: 200 of 500 unseen
    assert {entry["na"] for entry in WAYS(subject).values()} == {"this family has no decoder"}


def test_the_holes_and_the_plane_are_kept(make: Make) -> None:
    kept: dict[str, dict[str, Tensor]] = {}
    LATENT(make("vae", "model.code_dim=2", keep=kept.__setitem__))
    holes, plane = kept["holes"], kept["holes_map"]
    assert holes["fakes"].shape == holes["nearest"].shape == (5, 1, 8, 8)
    assert bool((holes["ratio"].diff() <= 0).all())  # the worst first
    assert plane["ratio"].shape == (60, 60) and plane["codes"].shape == (360, 2)
    left, right, bottom, top = plane["extent"].tolist()
    assert left < float(plane["codes"][:, 0].min()) and top > float(plane["codes"][:, 1].max()) and bottom < right


def test_the_map_of_a_wider_code_is_of_the_plane_that_pictures_show(make: Make) -> None:
    kept: dict[str, dict[str, Tensor]] = {}
    subject = make("ae", keep=kept.__setitem__)
    LATENT(subject)
    found, codes = kept["holes_map"], subject.codes("test")
    assert found["ratio"].shape == (25, 25) and int(found["dimensions"]) == codes.shape[1] > 2
    torch.testing.assert_close(found["extent"], Plane.of(codes).extent)


def test_without_features_the_pixels_are_left(make: Make) -> None:
    subject = make("vae", features=False)
    found = LATENT(subject) | WAYS(subject)
    there = {name for name, entry in found.items() if entry["na"] is None}
    assert there == {name for name in found if name.endswith("_pixels")} and len(there) == 4
    assert {entry["na"] for name, entry in found.items() if name not in there} == {"no features"}


def test_codes_with_as_many_units_as_pixels_get_no_density(make: Make) -> None:
    few = LatentSpace(images=100, k=3, densities=["gaussian"], most_units=63, worst=5)
    found = few(make("realnvp"))
    assert "at most 63 units, these have 64" in found["off_manifold_gaussian"]["na"]
    assert found["off_manifold"]["na"] is None and "off_manifold_mixture" not in found


def test_a_density_that_is_not_there(make: Make) -> None:
    measure = LatentSpace(images=100, k=3, densities=["flow"], most_units=256, worst=5)
    with pytest.raises(PushforwardError, match=r"there is no density flow; metrics.densities has gaussian, mixture"):
        measure(make("vae"))


def test_probes_of_pixels(make: Make) -> None:
    found = PROBES(make("ae", family=Pixels()))
    assert found["probe_logistic"]["value"] > 0.9 and found["probe_knn"]["value"] > 0.9  # digits are that easy
    card = found["probe_knn"]["card"]
    assert card["n"] == 360 and card["n_fitted"] == 1000 and card["code_dim"] == 64 and card["better"] == "higher"


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (torch.arange(1257) % 2, None, "test images have no labels"),
        (torch.zeros(1257).long(), torch.zeros(360).long(), "one class"),
        (torch.arange(1257), torch.arange(360), "classes in 1,000 images"),
    ],
)
def test_probes_of_labels_that_are_no_classes(
    make: Make, monkeypatch: pytest.MonkeyPatch, train: Tensor, test: Tensor | None, said: str
) -> None:
    subject = make("ae", family=Pixels(), features=False)
    monkeypatch.setattr(subject.data, "labels", lambda split: train if split == "train" else test)
    found = PROBES(subject)
    assert set(found) == {"probe_logistic", "probe_knn"}
    assert all(entry["value"] is None and said in entry["na"] for entry in found.values())


def test_probes_of_factors() -> None:
    frozen = compose(["model=vae", "data=sprites", "network=mlp", "network.hidden=[32]"])
    data = build.build_data(frozen)
    subject = Subject(build.build_family(frozen, data.spec).eval(), data)
    found = Probes(images=300, k=10, c=1.0, max_iter=50)(subject)
    entry = found["probe_factors"]
    # 5 factors; 1 is what their means give, and 10 random units of 300 images add 10/300 of noise
    assert 0 < entry["value"] < 1.2 and entry["unit"] == "variance" and entry["card"]["note"].count(",") == 4
