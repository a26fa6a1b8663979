"""Numbers of −log p(x): against families whose log p(x) is known, and which of them a family gives."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch.distributions import MultivariateNormal

from pushforward.bottlenecks import Gaussian
from pushforward.composition import compose
from pushforward.data import DataModule
from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.distributions import Gaussian as GaussianLikelihood
from pushforward.families import Tuning, VariationalAutoencoder
from pushforward.families.family import Likelihoods
from pushforward.networks import MLP
from pushforward.objectives import KL, Reconstruction
from pushforward.protocol import Subject
from pushforward.protocol.likelihood import Likelihood
from pushforward.training import build

D, SIGMA, SHIFT = 4, 0.6, 0.1
W = torch.tensor([1.0, -0.5, 0.8, 0.3])
BASIC = {"rate", "distortion", "neg_elbo", "nll", "bpd"}


@dataclass(frozen=True)
class Points(Source):
    """x = w z + b + σε: probabilistic PCA of one code dimension."""

    name: str = "ppca"

    def load(self) -> Arrays:
        g = torch.Generator().manual_seed(0)

        def drawn(n: int) -> Split:
            return Split(torch.randn(n, 1, generator=g) * W + SHIFT + SIGMA * torch.randn(n, D, generator=g))

        return Arrays(drawn(900), drawn(300), None, low=-math.inf, high=math.inf)


def linear(off: float = 0.0) -> Subject:
    """A linear VAE with the data's own parameters; its posterior is the exact one, or `off`."""
    data = DataModule(Points(), batch_size=32, validation=100)
    family = VariationalAutoencoder(
        data.spec,
        MLP(hidden=()),
        1,
        Gaussian,
        partial(GaussianLikelihood, sigma=SIGMA),
        {"reconstruction": Reconstruction(), "kl": KL()},
        {"model": Tuning(partial(torch.optim.Adam), 1e-3)},
    )
    precision = 1 + float(W @ W) / SIGMA**2
    with torch.no_grad():
        decoder: Any = family.coder.decoder
        decoder[0].weight.copy_(W[:, None])
        decoder[0].bias.fill_(SHIFT)
        encoder: Any = family.coder.bottleneck.linear
        encoder.weight.copy_(torch.stack([W / (precision * SIGMA**2), torch.zeros(D)]))
        mean = -SHIFT * float(W.sum()) / (precision * SIGMA**2)
        encoder.bias.copy_(torch.tensor([mean + 2 * off, -0.5 * math.log(precision) + off]))
    return Subject(family.eval(), data)


def evidence(x: torch.Tensor) -> float:
    """Mean −log p(x), nats, of the points above."""
    covariance = (torch.outer(W, W) + SIGMA**2 * torch.eye(D)).double()
    return -float(MultivariateNormal(torch.full((D,), SHIFT).double(), covariance).log_prob(x.double()).mean())


def value(entries: dict[str, Any], name: str) -> float:
    assert entries[name]["na"] is None, entries[name]["na"]
    return entries[name]["value"]


def test_any_k_is_exact_under_the_exact_posterior() -> None:
    subject = linear()
    for k in (2, 50):
        entries = Likelihood(k=k)(subject)
        # every weight is p(x), in float32
        assert value(entries, "nll_iw") == pytest.approx(evidence(subject.x()), abs=1e-5)
        assert entries["nll_iw"]["card"]["samples"] == k
    nll = entries["nll"]
    assert abs(nll["value"] - evidence(subject.x())) < 5 * nll["card"]["standard_error"]


def test_the_bound_falls_to_minus_log_p_as_k_grows() -> None:
    """k = 1 is the ELBO; the ELBO's KL is known: log p(x) − ELBO = KL(q‖p(z|x)), the same for every x here."""
    subject, off = linear(off=0.3), 0.3
    truth = evidence(subject.x())
    precision = 1 + float(W @ W) / SIGMA**2
    excess = 0.5 * (math.exp(2 * off) + (2 * off) ** 2 * precision - 1) - off
    found = {k: Likelihood(k=k, gap=False)(subject) for k in (1, 4, 64, 1000)}
    bounds = {k: value(entries, "nll_iw") for k, entries in found.items()}
    assert bounds[1] == pytest.approx(value(found[1], "neg_elbo"), rel=1e-12)  # the same noise
    error = found[1]["nll_iw"]["card"]["standard_error"]
    assert abs(bounds[1] - truth - excess) < 5 * error
    assert bounds[1] > bounds[4] > bounds[64] > truth - 0.01 and bounds[1000] == pytest.approx(truth, abs=0.02)
    assert value(found[1], "rate") + value(found[1], "distortion") == pytest.approx(
        bounds[1], rel=1e-6
    )  # sums in float32


def test_the_gap_of_a_model_that_is_the_data_is_zero() -> None:
    """Within 5 standard errors, and it is what the card's two means differ by; measured on train there is none."""
    subject = linear()
    entry = Likelihood()(subject)["generalisation_gap"]
    assert abs(entry["value"]) < 5 * entry["card"]["standard_error"]
    assert entry["card"]["train_n"] == entry["card"]["n"] == 300 and entry["unit"] == "nats"
    assert "train" in entry["card"]["note"]
    on_train = Subject(subject.family, subject.data, split="train")
    assert "training images" in Likelihood()(on_train)["generalisation_gap"]["na"]


def test_training_images_unlike_the_test_images_are_a_gap() -> None:
    """Training points moved by 1 away from the model: −log p rises on them, so test − train is negative by as much."""
    subject = linear()
    moved = subject.x("train") + 1
    subject._kept["x", "train"] = moved
    entry = Likelihood()(subject)["generalisation_gap"]
    rows = subject.rows("train", 300)
    expected = evidence(subject.x()) - evidence(moved[rows])
    assert entry["value"] == pytest.approx(expected, abs=5 * entry["card"]["standard_error"])
    assert entry["value"] < -0.5


class Bell:
    """N(0, I) in the space of a model, exactly."""

    device, dtype = torch.device("cpu"), torch.float32

    def log_prob(self, x: torch.Tensor, _: torch.Generator) -> Likelihoods:
        values = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(1)
        return Likelihoods(values, "lower bound", True, {"rate": 0 * values, "distortion": -values})


def test_nats_of_standardised_points_are_of_their_own_unit() -> None:
    """log p(x) = log N((x − μ)/σ; 0, I) − Σ log σ = log N(x; μ, σ²)."""
    data = DataModule(Points(), batch_size=32, validation=100, standardize=True)
    subject = Subject(Bell(), data)  # type: ignore[arg-type]
    found = Likelihood()(subject)
    x, spec = data.arrays.test.x, data.spec  # type: ignore[union-attr]
    normal = torch.distributions.Normal(torch.tensor(spec.shift), torch.tensor(spec.scale))
    expected = -float(normal.log_prob(x).sum(1).mean())  # type: ignore[no-untyped-call]
    assert abs(spec.log_scale) > 0.1 and value(found, "neg_elbo") == pytest.approx(expected, abs=1e-4)
    assert value(found, "distortion") == pytest.approx(expected, abs=1e-4) and value(found, "rate") == 0
    assert value(found, "nll") == value(found, "neg_elbo")


@pytest.fixture(scope="module")
def make() -> Callable[..., Subject]:
    def subject(model: str, *overrides: str, **more: Any) -> Subject:
        frozen = compose([f"model={model}", "data=digits", *overrides])
        data = build.build_data(frozen)
        return Subject(build.build_family(frozen, data.spec).eval(), data, **more)

    return subject


UNET = ("network.width=8", "model.evaluations=33")
FAMILIES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    # overrides, and the numbers that are not n/a with k = 3
    "ae": (("network.hidden=[32]",), set()),
    "gan": (("network.width=8",), set()),
    "vae": (("network.hidden=[32]",), {*BASIC, "nll_iw", "bpd_iw", "generalisation_gap"}),
    "realnvp": ((), {"nll", "bpd", "generalisation_gap"}),
    "ddpm": (UNET, {*BASIC, "generalisation_gap", "nll_flow", "bpd_flow"}),
    "flow_matching": (UNET, {"nll", "bpd", "generalisation_gap", "nll_flow", "bpd_flow"}),
}


@pytest.mark.parametrize("model", FAMILIES)
def test_what_each_family_gives(make: Callable[..., Subject], model: str) -> None:
    overrides, given = FAMILIES[model]
    subject = make(model, *overrides, costly_images=40)
    entries = Likelihood(k=3, k_images=100)(subject)
    assert {name for name, entry in entries.items() if entry["na"] is None} == given
    always = {*BASIC, "generalisation_gap", "nll_iw", "bpd_iw"}
    assert set(entries) == always | given
    json.dumps(entries)
    costly = model in ("ddpm", "flow_matching")
    for name in given:
        card = entries[name]["card"]
        expected = 100 if name.endswith("_iw") else 40 if costly else 360
        assert card["n"] == expected and card["standard_error"] > 0
        assert card["kind"] in ("exact", "lower bound", "estimate") and card["split"] == "test"
    if "bpd" in given:
        bits = subject.spec.bits_per_dim(
            torch.tensor(entries["nll"]["value"]), density=entries["bpd"]["card"]["density"]
        )
        assert entries["bpd"]["value"] == pytest.approx(float(bits), rel=1e-6)
        assert set(entries["bpd"]["card"]["references"]) and "references" not in entries["nll"]["card"]
    if costly:
        calls = 33 if model == "ddpm" else 32  # eight steps of four, and the decoder's
        assert entries["nll_flow"]["card"]["function_evaluations"] == calls and entries["nll_flow"]["card"]["sampler"]
        assert entries["nll_flow"]["card"]["density"] == (model == "flow_matching")
        assert entries["nll_flow"]["card"]["kind"] == "estimate"
        assert torch.equal(subject.x(n=40), subject.x()[subject.rows("test", 40)])  # not the first rows
        assert 0 <= entries["bpd_flow"]["card"]["solver_error"] < 0.1
    if model == "flow_matching":
        assert entries["nll_flow"]["value"] == entries["nll"]["value"]


def test_an_equation_solved_too_coarsely_gives_no_number(make: Callable[..., Subject]) -> None:
    """A field that is wild along the path: at few evaluations no number is said, at more it is, with its error."""
    subject = make("flow_matching", "network=mlp", "network.hidden=[8]", costly_images=40)
    inner = subject.family.field

    class Wild(torch.nn.Module):
        def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return inner(x, t) + 3 * torch.sin(6 * x)

    subject.family.field = Wild()  # type: ignore[assignment]
    few = Likelihood(evaluations=16, gap=False)(subject)
    for name in ("nll", "bpd", "nll_flow", "bpd_flow"):
        assert "metrics.likelihood.evaluations=32" in few[name]["na"] and few[name]["value"] is None
        assert few[name]["card"]["solver_error"] > 0
    some, more = (Likelihood(evaluations=n, gap=False)(subject)["bpd"] for n in (100, 800))
    error = some["card"]["solver_error"]
    assert more["card"]["solver_error"] < 1e-3 < error  # and what it says is about what it is
    assert abs(some["value"] - more["value"]) < 2 * error
    alone = Likelihood(evaluations=4, gap=False)(subject)  # one step: there is nothing to compare it with
    assert alone["bpd"]["na"] and alone["bpd"]["card"]["solver_error"] is None


def test_nats_that_are_no_bits_say_so(make: Callable[..., Subject]) -> None:
    entries = Likelihood()(make("vae", "network.hidden=[32]", "likelihood=gaussian"))
    assert "no likelihood of images with 17 levels" in entries["bpd"]["na"]
    assert "nll_iw" not in entries and value(entries, "nll") == value(entries, "neg_elbo")
    entries = Likelihood()(make("vae", "network.hidden=[32]", "likelihood=bernoulli", "data.dequantize=true"))
    assert "not a probability of x" in entries["bpd"]["na"] and entries["bpd"]["na"].endswith("use likelihood=gaussian")
    entries = Likelihood()(
        make("vae", "network.hidden=[32]", "likelihood=continuous_bernoulli", "data.dequantize=true")
    )
    assert entries["bpd"]["na"] is None


MEMORY = """
import resource, torch
from pushforward.composition import compose
from pushforward.protocol import Subject
from pushforward.protocol.likelihood import Likelihood
from pushforward.training import build
torch.set_num_threads(1)
frozen = compose(["model=vae", "data=digits", "network.hidden=[256]"])
data = build.build_data(frozen)
subject = Subject(build.build_family(frozen, data.spec).eval(), data)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
Likelihood(k=250, k_images=20, gap=False)(subject)
before = peak()
entries = Likelihood(k=5000, k_images=20, gap=False)(subject)
print(peak() - before, entries["nll_iw"]["value"])
"""


def test_five_thousand_samples_take_no_more_memory_than_few() -> None:
    """Held at once, 20 × 5,000 codes are 102 MB in the hidden layer alone; 4,096 are 4."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    grown, bound = map(float, done.stdout.split())
    print(f"k = 5,000 after k = 250: {grown:.0f} MB more")
    assert grown < 48
    assert math.isfinite(bound)


def test_a_model_that_fits_no_likelihood_has_a_rate_alone() -> None:
    config = compose(["model=ms_ssim_vae", "data=digits", "network.hidden=[4]"])
    data = build.build_data(config)
    entries = Likelihood(k=2, gap=False)(Subject(build.build_family(config, data.spec).eval(), data))
    assert entries["rate"]["value"] > 0 and set(entries) == {*BASIC, "nll_iw", "bpd_iw"}
    why = {entry["na"] for name, entry in entries.items() if name != "rate"}
    assert why == {"no term of its objective is a likelihood of images"}
