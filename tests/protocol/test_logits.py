"""The density of logits: of a flow that changes nothing, and of the Gaussian that training images are fitted by."""

import math
from pathlib import Path

import pytest
import torch

from pushforward.composition import compose
from pushforward.metrics.full_gaussian import entropy_full
from pushforward.protocol import Subject
from pushforward.protocol.likelihood import Likelihood
from pushforward.protocol.logits import GAUSSIAN
from pushforward.training import build


def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str = "test", model: str = "maf") -> Subject:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    frozen = compose([f"model={model}", "data=digits"])
    data = build.build_data(frozen)
    return Subject(build.build_family(frozen, data.spec).eval(), data, split=split)


def test_logits_of_an_untrained_flow_are_standard_normal_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its layers begin as the identity: −log N(v; 0, I) of v = logit(α + (1 − 2α)(k + u)/17), α = 1e-6. 64 float32 logits."""
    subject = make(tmp_path, monkeypatch)
    entries = Likelihood(gap=False, logits=True)(subject)
    u = torch.rand(360, 1, 8, 8, generator=subject.generator("likelihood"))
    x = ((16 * subject.x() + u) / 17).double().clamp(max=1 - 1e-9)
    v = (1e-6 + (1 - 2e-6) * x).logit().flatten(1)
    wanted = 0.5 * float(v.square().sum(1).mean()) + 32 * math.log(2 * math.pi)
    assert entries["nll_logits"]["value"] == pytest.approx(wanted, rel=1e-4)
    assert entries["nll_logits"]["card"]["kind"] == "exact" and entries["nll_logits"]["card"]["n"] == 360
    assert entries["nll"]["value"] < entries["nll_logits"]["value"]  # logits lie far apart: log |det ∂v/∂x| is positive


def test_a_gaussian_is_as_surprised_by_its_own_images_as_its_entropy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean −log N(v; μ, Σ) over what μ and Σ are the moments of is ½ log det 2πeΣ, with n − 1 in Σ less D/2n nats.

    Two draws of levels' noise stand between them in no way: the training images are dequantised once.
    """
    subject = make(tmp_path, monkeypatch, split="train")
    found = Likelihood(gap=False, logits=True)(subject)["nll_logits"]["card"]["references"][GAUSSIAN]
    g = subject.generator("logits", "train")
    v = torch.cat([subject.family.logits(part, g)[0] for part in subject.x("train").split(500)]).double()
    n, d = v.shape
    entropy = float(entropy_full(torch.linalg.cholesky(torch.cov(v.T))))
    # the fit's jitter of 1e-6 of each unit's variance shows in the least of 64 directions
    assert found == pytest.approx(entropy - d / (2 * n), abs=0.01)


def test_only_what_works_on_logits_has_the_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nll_logits" not in [
        n.name for n in Likelihood(logits=True).numbers(make(tmp_path, monkeypatch, model="vae"))
    ]
    assert "nll_logits" not in [n.name for n in Likelihood().numbers(make(tmp_path, monkeypatch))]
