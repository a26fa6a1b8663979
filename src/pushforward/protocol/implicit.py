"""Estimates of −log p(x) for families that only decode: annealed importance sampling, and Parzen windows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from pushforward.bottlenecks import REAL
from pushforward.domains import Count, Domain, Natural, Positive
from pushforward.families import Decodes, DecodesToLikelihood, HasLikelihood, Samples
from pushforward.metrics import annealed
from pushforward.metrics.likelihood import estimate
from pushforward.metrics.parzen import bandwidth_grid, best_bandwidth, parzen_log_prob
from pushforward.priors import Prior
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import MEASURE_SEED, Density, NotApplicable, Subject

ROWS = 1024
"""Codes that are decoded and differentiated at once."""


class Observed(NamedTuple):
    """p(x|z) of a decoder: log_prob(x, z) -> (n,) nats, sample(z, generator) -> x, what it is, and whether a mass."""

    log_prob: Callable[[Tensor, Tensor], Tensor]
    sample: Callable[[Tensor, torch.Generator], Tensor]
    description: str
    discrete: bool


@dataclass(frozen=True)
class Annealed(Measure):
    """nll_ais: −log ∫ p(z) p(x|z) dz by annealed importance sampling, nats an image. Wu et al. 2017.

    images: how many of the split. chains: for each image. temperatures: steps from prior to posterior, each a
    transition of Hamiltonian Monte Carlo of `leapfrogs` steps. own: p(x|z) is the family's own where it has one;
    elsewhere, or with own=False, N(decode(z), sigma² I) at the images as they are. density: over codes, for families
    without a prior. simulated: images of the model itself on which chains from both ends say how far off it is; 0: none.
    """

    order = 31
    images: Count = 100
    chains: Count = 8
    temperatures: Count = 500
    leapfrogs: Count = 5
    own: bool = True
    sigma: Positive = 0.1
    density: str = "mixture"
    simulated: Natural = 10

    def numbers(self, subject: Subject) -> Sequence[Number]:
        return (Number("nll_ais", "nats", "lower"),)

    def values(self, subject: Subject) -> dict[str, Value]:
        prior, observed = self.prior(subject), self.observed(subject)
        x = subject.x(n=self.images)
        g = subject.generator("annealed")
        size = max(1, ROWS // self.chains)
        found = [self.bounds(part.to(subject.device), prior, observed, g)[0] for part in x.split(size)]
        bound, effective, acceptance = (torch.cat(parts).double().cpu() for parts in zip(*found, strict=True))
        mean = estimate(-bound + subject.spec.log_scale)
        note = (
            f"log p is below its true value in expectation; effective chains {float(effective.mean()):.2g} of "
            f"{self.chains}, acceptance {float(acceptance.mean()):.2f}"
        )
        if self.simulated:
            gap = self.gap(prior, observed, subject)
            note += f"; on {self.simulated} images of the model itself, bounds from both sides are {gap:.3g} nats apart"
        card = {
            "kind": "estimate", "density": not observed.discrete, "n": mean.n, "standard_error": mean.standard_error,
            "likelihood": observed.description, "prior": prior.describe(), "noise_seed": MEASURE_SEED, "note": note,
            "method": "annealed importance sampling", "samples": self.chains, "temperatures": self.temperatures,
            "leapfrogs": self.leapfrogs,
            "function_evaluations": self.chains * self.leapfrogs * (self.temperatures - 1),
        }  # fmt: skip
        return {"nll_ais": value(mean.value, **card)}

    def prior(self, subject: Subject) -> Prior | Density:
        """The family's own density over codes, or the one fitted after training."""
        family = subject.need(Decodes, "this family decodes no code")
        if isinstance(family, HasLikelihood) and not isinstance(family, DecodesToLikelihood):
            raise NotApplicable("log p(x) is its own: see nll")
        if subject.prior is not None and subject.prior.support != REAL:
            raise NotApplicable(f"chains walk among {REAL}, and its codes are {subject.prior.support}")
        return subject.density(self.density) if subject.prior is None else subject.prior

    def observed(self, subject: Subject) -> Observed:
        family = subject.need(Decodes, "this family decodes no code")
        if self.own and isinstance(family, DecodesToLikelihood) and family.fits_likelihood:
            p = family.likelihood
            return Observed(family.log_likelihood, family.draw_images, p.describe(), p.discrete)
        sigma, dim = self.sigma, subject.spec.dim

        def log_prob(x: Tensor, z: Tensor) -> Tensor:
            square = (x - family.decode(z)).square().flatten(1).sum(1)
            return -0.5 * square / sigma**2 - 0.5 * dim * math.log(2 * math.pi * sigma**2)

        def sample(z: Tensor, g: torch.Generator) -> Tensor:
            mean = family.decode(z)
            return mean + sigma * torch.randn(mean.shape, generator=g, device=g.device).to(mean)

        return Observed(log_prob, sample, f"Gaussian about what it decodes, σ = {sigma:g}", False)

    def bounds(
        self, x: Tensor, prior: Prior | Density, observed: Observed, g: torch.Generator
    ) -> tuple[annealed.Annealed, annealed.Steps]:
        """Lower bounds of log p(x), and the steps they were walked in."""
        ends = densities(x, prior, observed)
        pilot = prior.sample(len(x), g)[None]
        steps = annealed.tuned(*ends, pilot, g, temperatures=self.temperatures, leapfrogs=self.leapfrogs)
        start = prior.sample(self.chains * len(x), g).unflatten(0, (self.chains, len(x)))
        return annealed.annealed(*ends, start, steps, g, leapfrogs=self.leapfrogs), steps

    def gap(self, prior: Prior | Density, observed: Observed, subject: Subject) -> float:
        """Mean distance of the upper from the lower bound of log p(x), nats, where a posterior sample is known."""
        g = subject.generator("annealed", "simulated")
        with torch.no_grad():
            z = prior.sample(self.simulated, g)
            x = observed.sample(z, g)
        below, steps = self.bounds(x, prior, observed, g)
        ends = densities(x, prior, observed)
        above = annealed.annealed(*ends, z[None], steps, g, leapfrogs=self.leapfrogs, reverse=True)
        return float((above.bound - below.bound).mean())


def densities(x: Tensor, prior: Prior | Density, observed: Observed) -> tuple[annealed.Density, annealed.Density]:
    """log p(z) and log p(x|z) of codes (chains, n, d), (chains, n)."""

    def log_prior(z: Tensor) -> Tensor:
        return prior.log_prob(z.flatten(0, 1)).unflatten(0, z.shape[:2])

    def log_likelihood(z: Tensor) -> Tensor:
        repeated = x.expand(len(z), *x.shape).flatten(0, 1)
        return observed.log_prob(repeated, z.flatten(0, 1)).unflatten(0, z.shape[:2])

    return log_prior, log_likelihood


@dataclass(frozen=True)
class Parzen(Measure):
    """nll_parzen: −log density of images under a Gaussian about each of a model's samples, nats. Goodfellow et al. 2014.

    samples: how many. low, high, steps: the grid of bandwidths, in pixels' units; the one is taken under which
    `validation` held-out images are likeliest. images: of the split; None: all. density: over codes, for families that
    do not sample by themselves. The card's reference are training images in the place of samples: a model can beat them
    by being smooth, and good samples can lose to bad ones (Theis, van den Oord & Bethge 2016).
    """

    order = 32
    of_images = True
    samples: Count = 10_000
    images: Count | None = None
    validation: Count = 1000
    low: Positive = 0.01
    high: Positive = 1.0
    steps: Annotated[int, Domain(2)] = 21
    density: str = "mixture"

    def numbers(self, subject: Subject) -> Sequence[Number]:
        return (Number("nll_parzen", "nats", "lower"),)

    def check(self, subject: Subject) -> None:
        if not isinstance(subject.family, Samples):
            subject.check_density(self.density, "metrics.parzen.density")

    def values(self, subject: Subject) -> dict[str, Value]:
        density = "own" if isinstance(subject.family, Samples) else self.density
        n = subject.affordable(self.samples)
        if not subject.size("val"):
            raise NotApplicable("there are no validation images to choose a bandwidth on")
        drawn = subject.samples(n, density)
        h, log_probs = self.scored(subject, drawn)
        _, memoriser = subject.once(("parzen", self), lambda: self.scored(subject, subject.raw("train", n)))
        scale = subject.spec.log_scale
        mean = estimate(-log_probs + scale)
        grid = f"{self.steps} bandwidths from {self.low:g} to {self.high:g}"
        edge = "; the grid ends there" if h in (self.grid[0], self.grid[-1]) and self.steps > 1 else ""
        card = {
            "kind": "estimate", "density": True, "n": mean.n, "standard_error": mean.standard_error,
            "method": f"Parzen window, chosen of {grid} on {min(self.validation, subject.size('val'))} validation images",
            "samples": n, "sampler": subject.described(density), "noise_seed": MEASURE_SEED,
            "note": f"bandwidth {h:.3g}{edge}", "likelihood": "Gaussian window at grey levels as they are",
            "references": {"training images": float(-memoriser.mean()) + scale},
        }  # fmt: skip
        return {"nll_parzen": value(mean.value, **card)}

    @property
    def grid(self) -> list[float]:
        return bandwidth_grid(self.low, self.high, self.steps)

    def scored(self, subject: Subject, samples: Tensor) -> tuple[float, Tensor]:
        """The bandwidth, and the log-density of the split's images, nats, (n,)."""
        h = best_bandwidth(subject.raw("val", self.validation), samples, self.grid)
        return h, parzen_log_prob(subject.raw(n=self.images), samples, [h])[0]
