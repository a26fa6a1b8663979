"""The two estimators of one VAE's gradient: same mean, larger variance; and the family is left as it was."""

from typing import Any

import pytest
import torch

from pushforward.composition import compose
from pushforward.protocol import Subject
from pushforward.protocol.gradients import Gradients
from pushforward.training import build

VARIANCES = [f"gradient_variance_{name}" for name in ("reparameterized", "score", "score_no_baseline")]


def subject(model: str, kept: dict[str, Any], *overrides: str) -> Subject:
    config = compose([f"model={model}", "data=digits", "network.hidden=[16]", *overrides])
    data = build.build_data(config)
    family = build.build_family(config, data.spec).eval()
    return Subject(family, data, keep=kept.__setitem__)


@torch.no_grad()
def test_a_vae_has_one_mean_gradient_and_three_variances() -> None:
    kept: dict[str, Any] = {}
    given = subject("vae", kept, "model.code_dim=2")
    family: Any = given.family
    before = {name: t.clone() for name, t in family.named_buffers()}
    measure = Gradients(images=16, repeats=200, settle=30)
    entries = measure(given)
    assert list(entries) == [*VARIANCES, "gradient_variance_factor"]
    reparameterized, score, plain = (entries[name]["value"] for name in VARIANCES)
    assert 2 * reparameterized < score < plain
    assert entries["gradient_variance_factor"]["value"] == pytest.approx(score / reparameterized)
    assert all(entry["card"]["batch"] == 16 and entry["card"]["n"] == 200 for entry in entries.values())

    draws = kept["gradients"]
    assert set(draws) == {f"{e}_{what}" for e in ("reparameterized", "score", "score_no_baseline")
                          for what in ("along", "noise")} | {"mean_norm"}  # fmt: skip
    for name, variance in (("reparameterized", reparameterized), ("score", score), ("score_no_baseline", plain)):
        # E|g − ḡ|² about the reparameterised mean: off by the two means' own noise, a share 2/200 of the variances
        assert float(draws[f"{name}_noise"].square().mean()) == pytest.approx(variance, rel=0.03)

    assert family.gradient == "reparameterized"
    for name, t in family.named_buffers():
        assert torch.equal(t, before[name]), name
    assert all(p.grad is None for p in family.parameters())


def test_the_means_agree() -> None:
    """z² averaged over the parameters that move: about 1; as they hang together, 3 is a bound, and a wrong one gives 10s."""
    given = subject("vae", {}, "model.code_dim=2")
    found, _ = Gradients(images=16, repeats=400, settle=30).spreads(given, given.batch(n=16))
    from pushforward.metrics.gradients import disagreement

    for name in ("score", "score_no_baseline"):
        assert disagreement(found[name], found["reparameterized"]) < 3
    shifted = found["score"]._replace(mean=found["score"].mean + 0.5 * found["score"].variance.sqrt())
    assert disagreement(shifted, found["reparameterized"]) > 10


def test_what_has_no_choice_of_gradient_is_left_out() -> None:
    assert Gradients(16, 10, 5)(subject("ae", {})) == {}


def test_without_a_reconstruction_there_is_nothing_to_weigh() -> None:
    entries = Gradients(16, 10, 5)(subject("vae", {}, "~model.objective.reconstruction"))
    assert [*entries] == [*VARIANCES, "gradient_variance_factor"]
    assert all("no reconstruction term" in entry["na"] for entry in entries.values())


def test_a_conditional_model_is_measured_under_labels() -> None:
    """One that was never without: it can be given no images alone."""
    frozen = compose(["model=vae", "data=digits", "network.hidden=[8]", "condition=all_labels"])
    data = build.build_data(frozen)
    found = Gradients(images=8, repeats=4, settle=2)(Subject(build.build_family(frozen, data.spec).eval(), data))
    assert found["gradient_variance_factor"]["value"] > 0
