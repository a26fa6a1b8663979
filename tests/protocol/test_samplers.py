"""Several samplers of one diffusion: the recipe's own among them gives what measure=samples says."""

from pathlib import Path

import pytest

from pushforward.composition import compose
from pushforward.diffusion import Ancestral
from pushforward.protocol import Subject
from pushforward.protocol.samplers import Samplers
from pushforward.protocol.samples import SampleQuality
from pushforward.training import build
from pushforward.training.evaluate import features_for

BOTH = {"ddim": Ancestral(0.0), "ddpm": Ancestral(1.0)}


def make(model: str) -> Subject:
    frozen = compose([f"model={model}", "data=digits", "network=mlp", "network.hidden=[16]"])
    data = build.build_data(frozen)
    features = features_for(data, compose(["features=pixels"])["features"])
    return Subject(build.build_family(frozen, data.spec).eval(), data, features=features)


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))


def test_the_recipes_own_sampler_is_one_of_them() -> None:
    subject = make("ddpm")
    entries = Samplers(100, BOTH, [5, 50])(subject)
    assert list(entries) == ["fd_pixels_ddim_5", "fd_pixels_ddim_50", "fd_pixels_ddpm_5", "fd_pixels_ddpm_50"]
    own = SampleQuality(100, ["frechet"])(subject)["fd_pixels"]  # ancestral, 50 evaluations
    assert entries["fd_pixels_ddpm_50"]["value"] == own["value"]
    assert len({entry["value"] for entry in entries.values()}) == 4
    assert entries["fd_pixels_ddim_5"]["card"]["sampler"] == "DDIM, 5 evaluations at most"
    assert entries["fd_pixels_ddim_5"]["card"]["n"] == 100


def test_what_has_one_sampler_is_not_measured() -> None:
    assert Samplers(100, BOTH, [2])(make("vae")) == {}
    (entry,) = Samplers(100, {"ddim": Ancestral(0.0)}, [2])(make("flow_matching")).values()
    assert "one way alone" in entry["na"]
