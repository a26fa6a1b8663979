"""Estimates for what only decodes: a linear generator and a linear autoencoder have a known log p(x)."""

import json
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch.distributions import MultivariateNormal

from pushforward.bottlenecks import Deterministic
from pushforward.composition import compose
from pushforward.data import DataModule
from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.distributions import Gaussian as GaussianLikelihood
from pushforward.families import GAN, PlainAutoencoder, Tuning
from pushforward.networks import MLP
from pushforward.objectives import NonSaturatingCritic, NonSaturatingGenerator, Reconstruction
from pushforward.priors import FittedGaussian, FittedMixture
from pushforward.protocol import Subject
from pushforward.protocol.implicit import Annealed, Parzen
from pushforward.training import build

D, SIGMA = 4, 0.5
W = torch.tensor([[1.0, 0.2], [-0.5, 0.7], [0.8, 0.1], [0.3, -0.6]])
B = torch.tensor([0.1, -0.2, 0.0, 0.3])
TUNING = Tuning(partial(torch.optim.Adam), 1e-3)
SMALL = {"images": 40, "chains": 4, "temperatures": 100, "leapfrogs": 4}


@dataclass(frozen=True)
class Points(Source):
    """x = W z + b + σε: probabilistic PCA."""

    name: str = "ppca"
    units: tuple[float, ...] = (1.0,) * D

    def load(self) -> Arrays:
        g = torch.Generator().manual_seed(0)

        def drawn(n: int) -> Split:
            x = torch.randn(n, 2, generator=g) @ W.T + B + SIGMA * torch.randn(n, D, generator=g)
            return Split(x * torch.tensor(self.units))

        return Arrays(drawn(900), drawn(300), None, low=-math.inf, high=math.inf)


def decoding(linear: Any) -> None:
    with torch.no_grad():
        linear.weight.copy_(W)
        linear.bias.copy_(B)


def generator(data: DataModule | None = None) -> Subject:
    """A GAN whose generator is z ↦ W z + b."""
    data = data or DataModule(Points(), batch_size=32, validation=100)
    objective: Any = {
        "critic": {"adversarial": NonSaturatingCritic(weight=1.0)},
        "generator": {"adversarial": NonSaturatingGenerator(weight=1.0)},
    }
    family = GAN(data.spec, MLP(hidden=()), 2, 1, {}, objective, {"critic": TUNING, "generator": TUNING})
    decoding(family.generator.decoder[0])
    return Subject(family.eval(), data)


def autoencoder() -> Subject:
    """An autoencoder that decodes z ↦ W z + b, and a Gaussian over its codes."""
    torch.manual_seed(0)  # its encoder
    data = DataModule(Points(), batch_size=32, validation=100)
    likelihood = partial(GaussianLikelihood, sigma=SIGMA)
    objective = {"reconstruction": Reconstruction()}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        family = PlainAutoencoder(data.spec, MLP(hidden=()), 2, Deterministic, likelihood, objective, {"model": TUNING})
    decoding(family.coder.decoder[0])
    return Subject(family.eval(), data, densities={"mixture": FittedGaussian.fit})


def evidence(x: torch.Tensor, mean: torch.Tensor, covariance: torch.Tensor) -> float:
    """Mean −log p(x), nats, for codes of the given mean and covariance."""
    spread = W @ covariance @ W.T + SIGMA**2 * torch.eye(D)
    return -float(MultivariateNormal(W @ mean + B, spread).log_prob(x).mean())


def test_annealing_finds_a_linear_generators_evidence() -> None:
    """Off by what the two bounds say they are apart, 0.1 nats at most."""
    subject = generator()
    entry = Annealed(**SMALL, sigma=SIGMA)(subject)["nll_ais"]
    x, card = subject.x(n=40), entry["card"]
    assert entry["value"] == pytest.approx(evidence(x, torch.zeros(2), torch.eye(2)), abs=0.1)
    assert card["kind"] == "estimate" and card["samples"] == 4 and card["n"] == 40 and card["density"]
    assert card["function_evaluations"] == 4 * 4 * 99 and "σ = 0.5" in card["likelihood"] and card["prior"] == "N(0, I)"
    apart = float(card["note"].split(" nats apart")[0].split()[-1])
    assert abs(apart) < 0.3
    json.dumps(entry)
    assert Annealed(**SMALL, sigma=SIGMA)(generator())["nll_ais"] == entry  # measurement seeds alone


def test_annealing_takes_an_autoencoders_likelihood_and_the_density_over_its_codes() -> None:
    subject = autoencoder()
    entry = Annealed(**SMALL, simulated=0)(subject)["nll_ais"]
    z = subject.codes("train")
    known = evidence(subject.x(n=40), z.mean(0), z.T.cov())
    assert entry["value"] == pytest.approx(known, abs=0.1)
    assert "covariance" in entry["card"]["prior"] and "apart" not in entry["card"]["note"]
    shared = Annealed(**SMALL, own=False, sigma=SIGMA, simulated=0)(subject)["nll_ais"]  # the same density, as it is
    assert shared["value"] == pytest.approx(known, abs=0.1) and "what it decodes" in shared["card"]["likelihood"]


def test_parzen_windows_of_points_are_near_their_entropy() -> None:
    """A model that is the data up to its noise: for 2,000 samples in 4-D, above the truth and within a nat of it."""
    subject = generator()
    entry = Parzen(samples=2000)(subject)["nll_parzen"]
    truth = evidence(subject.x(), torch.zeros(2), torch.eye(2))
    assert truth - 0.1 < entry["value"] < truth + 1
    card = entry["card"]
    assert card["kind"] == "estimate" and card["samples"] == 2000 and card["n"] == 300 and card["sampler"]
    assert "of 21 bandwidths from 0.01 to 1 on 100 validation images" in card["method"]
    assert 0.2 < float(card["note"].split()[1]) < 0.9 and card["standard_error"] > 0
    assert card["references"]["training images"] > truth - 0.1
    json.dumps(entry)


DIGITS = {
    "gan": (("network.width=8",), True, "N(0, I)"),
    "vae": (("network.hidden=[32]",), True, "N(0, I)"),
    "ae": (("network.hidden=[32]",), True, "mixture"),
    "realnvp": ((), False, "log p(x) is its own"),
    "ddpm": (("network.width=8", "model.evaluations=4"), False, "decodes no code"),
}


@pytest.mark.parametrize("model", DIGITS)
def test_what_each_family_gives(model: str) -> None:
    overrides, capable, said = DIGITS[model]
    frozen = compose([f"model={model}", "data=digits", *overrides])
    data = build.build_data(frozen)
    family = build.build_family(frozen, data.spec).eval()
    densities = {"mixture": partial(FittedMixture.fit, components=3)}
    subject = Subject(family, data, densities=densities, costly_images=20)
    with torch.no_grad():  # as a run measures
        entry = Annealed(images=6, chains=2, temperatures=10, leapfrogs=2, simulated=2)(subject)["nll_ais"]
    assert (entry["na"] is None) is capable
    assert said in (entry["card"]["prior"] if capable else entry["na"])
    assert all(p.grad is None for p in family.parameters())
    parzen = Parzen(samples=100, images=50, validation=40)(subject)["nll_parzen"]
    assert parzen["na"] is None and parzen["card"]["n"] == 50
    assert parzen["card"]["samples"] == (20 if model == "ddpm" else 100)


def test_a_bandwidth_needs_validation_images() -> None:
    data = DataModule(Points(), batch_size=32, validation=0)
    entry = Parzen(samples=50)(Subject(generator().family, data))["nll_parzen"]
    assert "no validation images" in entry["na"]


def standardised() -> tuple[Subject, torch.Tensor, torch.Tensor]:
    """A generator of standardised points, z ↦ W z + b; the points' shift and scale, of units 100 and more apart."""
    units = (0.01, 1.0, 30.0, 2000.0)
    subject = generator(DataModule(Points(units=units), batch_size=32, validation=100, standardize=True))
    shift, scale = (torch.tensor(v, dtype=torch.float64) for v in (subject.spec.shift, subject.spec.scale))
    assert scale.max() / scale.min() > 1e4
    return subject, shift, scale


def test_annealing_of_standardised_points_is_in_their_own_unit() -> None:
    """The generator's points in the original unit are Gaussian: its density is evaluated at the original points."""
    subject, shift, scale = standardised()
    value = Annealed(**SMALL, sigma=SIGMA)(subject)["nll_ais"]["value"]
    w, b = W.double() * scale[:, None], B.double() * scale + shift
    p = MultivariateNormal(b, w @ w.T + (SIGMA * scale).square().diag())
    assert value == pytest.approx(-float(p.log_prob(subject.spec.original(subject.x(n=40))).mean()), abs=0.1)


def test_parzen_windows_of_standardised_points_are_in_their_own_unit() -> None:
    """Windows about the original samples, as wide in each dimension as its scale times the bandwidth."""
    subject, _, scale = standardised()
    measure = Parzen(samples=200, images=50, validation=100)
    original = subject.spec.original

    def nats(centres: torch.Tensor) -> float:
        h, _ = measure.scored(subject, centres)
        windows = MultivariateNormal(original(centres), (h * scale).square().diag())
        return math.log(200) - float(windows.log_prob(original(subject.x(n=50))[:, None]).logsumexp(1).mean())

    entry = measure(subject)["nll_parzen"]
    assert entry["value"] == pytest.approx(nats(subject.samples(200)), abs=1e-3)
    assert entry["card"]["references"]["training images"] == pytest.approx(nats(subject.raw("train", 200)), abs=1e-3)
