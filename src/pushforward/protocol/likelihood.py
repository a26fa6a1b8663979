"""How many nats an image costs a family: bounds, exact values and estimates of −log p(x), and how they generalise."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pushforward.diffusion import RungeKutta
from pushforward.domains import Count
from pushforward.families.family import Likelihoods
from pushforward.metrics.card import Better
from pushforward.metrics.likelihood import estimate
from pushforward.protocol.subject import MEASURE_SEED, Entries, Subject, positive

UNITS = {"rate": "nats", "distortion": "nats", "neg_elbo": "nats", "nll": "nats", "bpd": "bits/dim"}
WEIGHTED = {"nll_iw": "nats", "bpd_iw": "bits/dim"}
GAP = {"generalisation_gap": "nats"}
BETTER: dict[str, Better] = {"rate": None, "distortion": None}
"""Which way each improves; lower where it is not said."""
Draw = Callable[..., Likelihoods]
"""(x, generator) → Likelihoods; of a diffusion with `evaluations`, too."""
FEW = 64
"""Images on which a solver's error is estimated."""
TOLERATED = 0.1
"""Bits per dimension by which a solver may err: what is less sure is not said."""


@dataclass(frozen=True)
class Likelihood:
    """Rate, distortion, −ELBO and −log p(x) in nats an image, and bits per dimension, with the kind of number each is.

    k: samples of an importance-weighted bound beside them; None: none. k_images: the most images it takes; None: all.
    gap: whether to measure the test split's −log p(x) less that of as many training images, too. evaluations: calls of
    a diffusion's field an image; None: as many as its recipe has.
    """

    k: Count | None = None
    k_images: Count | None = None
    gap: bool = True
    evaluations: Count | None = None

    def __post_init__(self) -> None:
        positive(self, "k", "k_images", "evaluations")

    @torch.no_grad()
    def __call__(self, subject: Subject) -> Entries:
        family: Any = subject.family
        if not subject.can("log_prob"):
            names = UNITS | (WEIGHTED if self.k else {}) | (GAP if self.gap else {})
            return {name: missing(subject, name, unit, "this family has no likelihood") for name, unit in names.items()}
        n = subject.affordable(subject.size(subject.split))
        log_prob = self.way(family.log_prob, subject)
        found = scored(subject, log_prob, subject.x(n=n))
        entries = basic(subject, found, log_prob)
        if self.k:
            entries |= self.weighted(subject)
        entries |= self.along_the_flow(subject, entries)
        if self.gap:
            entries["generalisation_gap"] = gap(subject, found, log_prob)
        return entries

    def way(self, log_prob: Draw, subject: Subject) -> Draw:
        """log_prob with the evaluations asked for, where it takes any."""
        return partial(log_prob, evaluations=self.evaluations) if getattr(subject.family, "costly", False) else log_prob

    def along_the_flow(self, subject: Subject, entries: Entries) -> Entries:
        """nll_flow and bpd_flow: −log p(x) by the flow with the process's marginals, for families that have one.

        Where that is what the family says by itself already, it is not computed again.
        """
        family: Any = subject.family
        if not subject.can("flow_log_prob"):
            if entries["nll"]["card"]["kind"] != "estimate" or not getattr(family, "costly", False):
                return {}
            how = {"sampler": family.describe()["likelihood"]}
            return {f"{k}_flow": {**entries[k], "card": {**entries[k]["card"], **how}} for k in ("nll", "bpd")}
        n = subject.affordable(subject.size(subject.split))
        log_prob = self.way(family.flow_log_prob, subject)
        found = scored(subject, log_prob, subject.x(n=n))
        return numbers(
            subject, found, "nll_flow", "bpd_flow", log_prob, sampler=family.describe().get("flow", "probability flow")
        )

    def weighted(self, subject: Subject) -> Entries:
        """−log (1/k) Σ p(x, zᵢ)/q(zᵢ|x), nats an image, and as bits per dimension. Burda et al. 2016."""
        family: Any = subject.family
        if not subject.can("posterior"):
            why = "importance samples come from a posterior over codes, which this family has not"
            return {name: missing(subject, name, unit, why) for name, unit in WEIGHTED.items()}

        def bound(x: Tensor, g: torch.Generator) -> Likelihoods:
            return family.log_prob(x, g, self.k)

        found = scored(subject, bound, subject.x(n=self.k_images))
        return numbers(subject, found, "nll_iw", "bpd_iw", bound, samples=self.k)


def scored(subject: Subject, log_prob: Draw, x: Tensor) -> Likelihoods:
    """log p of all x in chunks, on the CPU, with the same noise for the same position whatever the images.

    Of standardised points in their original unit: log p and the distortion take the scale's determinant up.
    """
    g = subject.generator("likelihood")
    results = [log_prob(part.to(subject.device), g) for part in x.split(subject.chunk)]
    parts = {name: torch.cat([r.parts[name] for r in results]).double().cpu() for name in results[0].parts}
    if "distortion" in parts:
        parts["distortion"] = parts["distortion"] + subject.spec.log_scale
    values = torch.cat([r.values for r in results]).double().cpu() - subject.spec.log_scale
    return results[0]._replace(values=values, parts=parts)


def basic(subject: Subject, found: Likelihoods, log_prob: Draw) -> Entries:
    """rate, distortion, neg_elbo, nll and bpd of what the family says of x by itself."""
    entries: Entries = {}
    for part in ("rate", "distortion"):
        if part in found.parts:
            entries[part] = entry(subject, found, part, "nats", found.parts[part])
        else:
            exact = found.kind == "exact"
            why = "an exact likelihood has no such parts" if exact else "not taken apart for this family"
            entries[part] = missing(subject, part, "nats", why, **card_of(subject, found))
    if found.kind == "lower bound":
        entries["neg_elbo"] = entry(subject, found, "neg_elbo", "nats", -found.values)
    else:
        kind = "exact" if found.kind == "exact" else f"an {found.kind}"
        why = f"its likelihood is {kind}, not a bound"
        entries["neg_elbo"] = missing(subject, "neg_elbo", "nats", why, **card_of(subject, found))
    return entries | numbers(subject, found, "nll", "bpd", log_prob, references=True)


def gap(subject: Subject, found: Likelihoods, log_prob: Draw) -> dict[str, Any]:
    """−log p(x) (−ELBO where it bounds) of test images less that of training images, nats an image, at equal noise.

    As many training images as test images, chosen once for all runs; the two means' errors add as independent ones.
    """
    if subject.split == "train":
        why = "measured on the training images themselves"
        return missing(subject, "generalisation_gap", "nats", why)
    n = min(len(found.values), subject.size("train"))
    train = estimate(-scored(subject, log_prob, subject.x("train", n)).values)
    test = estimate(-found.values)
    error = (train.standard_error**2 + test.standard_error**2) ** 0.5
    note = f"{subject.split} {test.value:.6g}, train {train.value:.6g} nats"
    # a difference of bounds bounds nothing
    card = {**card_of(subject, found), "kind": "estimate", "train_n": n, "standard_error": error, "note": note}
    return subject.number(test.value - train.value, "nats", better="lower", **card)


def numbers(
    subject: Subject, found: Likelihoods, nats: str, bits: str, log_prob: Draw, *, references: bool = False, **card: Any
) -> Entries:
    """−log p(x) in nats an image, and in bits per dimension where it is a code length of the data's own levels.

    Neither where it is an equation's solution whose error is too large: an estimate that errs low looks like a good model.
    """
    values = -found.values
    error = solver_error(subject, found, log_prob)
    per_dim = None if error is None else error / (subject.spec.dim * math.log(2))
    coarse = per_dim is not None and per_dim > TOLERATED and (
        f"{found.evaluations} evaluations solve its equation to {per_dim:.2g} bits a dimension only: "
        f"metrics.likelihood.evaluations={2 * found.evaluations}"
    )  # fmt: skip
    card |= card_of(subject, found)
    why = coarse or no_bits(subject, found)
    if coarse:
        entries = {nats: missing(subject, nats, "nats", coarse, solver_error=error, **card)}
    else:
        entries = {nats: entry(subject, found, nats, "nats", values, solver_error=error, **card)}
    if why:
        entries[bits] = missing(subject, bits, "bits/dim", why, solver_error=per_dim, **card)
    else:
        if references:
            from pushforward.protocol.information import compressor_references

            card["references"] = compressor_references(subject)
        values = subject.spec.bits_per_dim(values, density=found.density)
        entries[bits] = entry(subject, found, bits, "bits/dim", values, solver_error=per_dim, **card)
    return entries


def solver_error(subject: Subject, found: Likelihoods, log_prob: Draw) -> float | None:
    """Nats an image by which the solution of a flow's equation errs, by Richardson's rule; None where none is solved.

    What half as many calls change in size, a fifteenth of it for a solver of fourth order, mean over `FEW` images.
    """
    if found.kind != "estimate" or not getattr(subject.family, "costly", False):
        return None
    if found.evaluations < 2 * RungeKutta.evaluations:
        return math.inf
    x = subject.x(n=FEW)
    coarse, fine = (
        scored(subject, partial(log_prob, evaluations=-(-found.evaluations // parts)), x).values for parts in (2, 1)
    )
    return float((coarse - fine).abs().mean()) / 15


def no_bits(subject: Subject, found: Likelihoods) -> str | None:
    """Why −log p(x) is no number of bits for the data's own levels, or None where it is."""
    spec = subject.spec
    if spec.levels is None:
        return "real-valued data have no levels to code"
    own: Any = getattr(subject.family, "likelihood", None)
    if own is not None and not (own.discrete or (spec.dequantized and own.normalised)):
        use = "gaussian" if spec.dequantized else "discretized_logistic"
        return f"{own.describe()} is no likelihood of images with {spec.levels} levels; use likelihood={use}"
    return None


def entry(subject: Subject, found: Likelihoods, name: str, unit: str, values: Tensor, **card: Any) -> dict[str, Any]:
    """The mean of values per image, with its standard error."""
    mean = estimate(values)
    whole = {**card_of(subject, found), "standard_error": mean.standard_error, **card}
    return subject.number(mean.value, unit, better=BETTER.get(name, "lower"), **whole)


def missing(subject: Subject, name: str, unit: str, why: str, **card: Any) -> dict[str, Any]:
    return subject.na(why, unit, better=BETTER.get(name, "lower"), **card)


def card_of(subject: Subject, found: Likelihoods) -> dict[str, Any]:
    own: Any = getattr(subject.family, "likelihood", None)
    return {
        "kind": found.kind, "density": found.density, "n": len(found.values), "function_evaluations": found.evaluations,
        "likelihood": own.describe() if own is not None else None, "noise_seed": MEASURE_SEED,
    }  # fmt: skip
