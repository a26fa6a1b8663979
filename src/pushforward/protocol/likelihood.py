"""How many nats an image costs a family: bounds, exact values and estimates of −log p(x), and how they generalise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.families.family import Likelihoods
from pushforward.metrics.card import Better
from pushforward.metrics.likelihood import estimate
from pushforward.protocol.subject import CHUNK, MEASURE_SEED, Entries, Subject

UNITS = {"rate": "nats", "distortion": "nats", "neg_elbo": "nats", "nll": "nats", "bpd": "bits/dim"}
WEIGHTED = {"nll_iw": "nats", "bpd_iw": "bits/dim"}
GAP = {"generalisation_gap": "nats"}
BETTER: dict[str, Better] = {"rate": None, "distortion": None}
"""Which way each improves; lower where it is not said."""
Draw = Callable[[Tensor, torch.Generator], Likelihoods]


@dataclass(frozen=True)
class Likelihood:
    """Rate, distortion, −ELBO and −log p(x) in nats an image, and bits per dimension, with the kind of number each is.

    k: samples of an importance-weighted bound beside them; None: none. k_images: the most images it takes; None: all.
    gap: whether to measure the test split's −log p(x) less that of as many training images, too.
    """

    k: int | None = None
    k_images: int | None = None
    gap: bool = True

    @torch.no_grad()
    def __call__(self, subject: Subject) -> Entries:
        family: Any = subject.family
        if not subject.can("log_prob"):
            names = UNITS | (WEIGHTED if self.k else {}) | (GAP if self.gap else {})
            return {name: missing(subject, name, unit, "this family has no likelihood") for name, unit in names.items()}
        n = subject.affordable(subject.size(subject.split))
        found = scored(subject, family.log_prob, subject.x(n=n))
        entries = basic(subject, found)
        if self.k:
            entries |= self.weighted(subject)
        entries |= along_the_flow(subject, found)
        if self.gap:
            entries["generalisation_gap"] = gap(subject, found)
        return entries

    def weighted(self, subject: Subject) -> Entries:
        """−log (1/k) Σ p(x, zᵢ)/q(zᵢ|x), nats an image, and as bits per dimension. Burda et al. 2016."""
        family: Any = subject.family
        if not subject.can("posterior"):
            why = "importance samples come from a posterior over codes, which this family has not"
            return {name: missing(subject, name, unit, why) for name, unit in WEIGHTED.items()}

        def bound(x: Tensor, g: torch.Generator) -> Likelihoods:
            return family.log_prob(x, g, self.k)

        found = scored(subject, bound, subject.x(n=self.k_images))
        return numbers(subject, found, "nll_iw", "bpd_iw", samples=self.k)


def scored(subject: Subject, log_prob: Draw, x: Tensor) -> Likelihoods:
    """log p of all x in chunks, on the CPU, with the same noise for the same position whatever the images."""
    g = subject.generator("likelihood")
    results = [log_prob(part.to(subject.device), g) for part in x.split(CHUNK)]
    parts = {name: torch.cat([r.parts[name] for r in results]).double().cpu() for name in results[0].parts}
    return results[0]._replace(values=torch.cat([r.values for r in results]).double().cpu(), parts=parts)


def basic(subject: Subject, found: Likelihoods) -> Entries:
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
    return entries | numbers(subject, found, "nll", "bpd", references=True)


def along_the_flow(subject: Subject, found: Likelihoods) -> Entries:
    """nll_flow and bpd_flow: −log p(x) by the flow with the process's marginals, for families that have one.

    Where that is what the family says by itself already, it is not computed again.
    """
    family: Any = subject.family
    described = family.describe()
    if subject.can("flow_log_prob"):
        n = subject.affordable(subject.size(subject.split))
        found = scored(subject, family.flow_log_prob, subject.x(n=n))
        how = described.get("flow", "probability flow by Heun, equal steps in log σ/α")
    elif found.kind == "estimate" and getattr(family, "costly", False):
        how = described["target"]
    else:
        return {}
    return numbers(subject, found, "nll_flow", "bpd_flow", sampler=how)


def gap(subject: Subject, found: Likelihoods) -> dict[str, Any]:
    """−log p(x) (−ELBO where it bounds) of test images less that of training images, nats an image, at equal noise.

    As many training images as test images, chosen once for all runs; the two means' errors add as independent ones.
    """
    family: Any = subject.family
    if subject.split == "train":
        why = "measured on the training images themselves"
        return missing(subject, "generalisation_gap", "nats", why)
    n = min(len(found.values), subject.size("train"))
    train = estimate(-scored(subject, family.log_prob, subject.x("train", n)).values)
    test = estimate(-found.values)
    error = (train.standard_error**2 + test.standard_error**2) ** 0.5
    note = f"{subject.split} {test.value:.6g}, train {train.value:.6g} nats"
    # a difference of bounds bounds nothing
    card = {**card_of(subject, found), "kind": "estimate", "train_n": n, "standard_error": error, "note": note}
    return subject.number(test.value - train.value, "nats", better="lower", **card)


def numbers(
    subject: Subject, found: Likelihoods, nats: str, bits: str, *, references: bool = False, **card: Any
) -> Entries:
    """−log p(x) in nats an image, and in bits per dimension where it is a code length of the data's own levels."""
    values = -found.values
    entries = {nats: entry(subject, found, nats, "nats", values, **card)}
    why = no_bits(subject, found)
    if why:
        entries[bits] = missing(subject, bits, "bits/dim", why, **card_of(subject, found), **card)
    else:
        if references:
            from pushforward.protocol.information import compressor_references

            card["references"] = compressor_references(subject)
        per_dim = subject.spec.bits_per_dim(values, density=found.density)
        entries[bits] = entry(subject, found, bits, "bits/dim", per_dim, **card)
    return entries


def no_bits(subject: Subject, found: Likelihoods) -> str | None:
    """Why −log p(x) is no number of bits for the data's own levels, or None where it is."""
    spec = subject.spec
    if spec.levels is None:
        return "real-valued data have no levels to code"
    own: Any = getattr(subject.family, "likelihood", None)
    if own is not None and not own.discrete and not spec.dequantized:
        levels = f"{spec.levels} levels"
        return f"{own.describe()} is no likelihood of images with {levels}; use likelihood=discretized_logistic"
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
