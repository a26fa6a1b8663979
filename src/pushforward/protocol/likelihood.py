"""−log p(x) in nats per image, exact, bounded or estimated, and its gap from training to test images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pushforward.diffusion import RungeKutta
from pushforward.domains import Count
from pushforward.families import (
    DecodesToLikelihood,
    HasLikelihood,
    HasPosterior,
    IterativeLikelihood,
    IterativeLogProb,
    LogProb,
    WorksOnLogits,
)
from pushforward.families.family import Likelihoods
from pushforward.metrics.likelihood import estimate
from pushforward.protocol.information import compressor_references
from pushforward.protocol.logits import gaussian_of_logits
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import MEASURE_SEED, NotApplicable, Subject

FEW = 64
"""Images on which a solver's error is estimated."""
TOLERATED = 0.1
"""Bits per dimension by which a solver may err: what is less sure is not said."""

Values = dict[str, Value | NotApplicable]


@dataclass(frozen=True)
class Likelihood(Measure):
    """Rate, distortion, −ELBO and −log p(x) in nats an image, and bits per dimension, with the kind of number each is.

    k: samples of an importance-weighted bound beside them; None: none. k_images: the most images it takes; None: all.
    gap: whether to measure the test split's −log p(x) less that of as many training images, too. evaluations: calls of
    a diffusion's field an image; None: as many as its recipe has. logits: whether to say `nll_logits` of flows, too: −log of
    the density of logit(α + (1 − 2α)·x), which papers on flows print of MNIST, beside that of one Gaussian of logits.
    """

    order = 30
    k: Count | None = None
    k_images: Count | None = None
    gap: bool = True
    evaluations: Count | None = None
    logits: bool = False

    def numbers(self, subject: Subject) -> Sequence[Number]:
        more = ["_iw"] * (self.k is not None) + ["_flow"] * isinstance(subject.family, IterativeLikelihood)
        return (
            Number("rate", "nats", main=True),
            *(Number(rate, "nats") for rate in level_rates(subject)),
            Number("distortion", "nats", main=True),
            Number("neg_elbo", "nats", "lower", main=True),
            *([Number("generalisation_gap", "nats", "lower")] if self.gap else []),
            Number("nll", "nats", "lower", headline=1),
            *(Number(f"nll{tail}", "nats", "lower") for tail in more),
            Number("bpd", "bits/dim", "lower", main=True, headline=0),
            *(Number(f"bpd{tail}", "bits/dim", "lower") for tail in more),
            *([Number("nll_logits", "nats", "lower")] if self.logits and works_on_logits(subject) else []),
        )

    def values(self, subject: Subject) -> Values:
        family = subject.need(HasLikelihood, "this family has no likelihood")
        iterative = family.log_prob if isinstance(family, IterativeLikelihood) else None
        log_prob = family.log_prob if iterative is None else partial(iterative, evaluations=self.evaluations)
        scores = scored(subject, log_prob, subject.x(n=subject.affordable(subject.size(subject.split))))
        if isinstance(family, DecodesToLikelihood) and not family.fits_likelihood:
            why = NotApplicable("no term of its objective is a likelihood of images")
            return {number.name: why for number in self.numbers(subject)} | {
                name: part for name, part in parts(subject, scores).items() if name.startswith("rate")
            }
        values = {**parts(subject, scores), **code_length(subject, scores, "", iterative, references=True)}
        if self.k:
            values |= self.weighted(subject, self.k)
        if isinstance(family, IterativeLikelihood):
            values |= self.along_the_flow(subject, family, scores, values)
        if self.logits and works_on_logits(subject):
            values["nll_logits"] = nll_logits(subject, scores)
        if self.gap:
            values["generalisation_gap"] = gap(subject, scores, log_prob)
        return values

    def along_the_flow(self, subject: Subject, family: IterativeLikelihood, own: Likelihoods, values: Values) -> Values:
        """nll_flow and bpd_flow: −log p(x) by the flow with the process's marginals, for families that have one.

        Where that is what the family says by itself already, it is not computed again.
        """
        described, flow = subject.family.describe(), family.flow_log_prob
        if flow is None:
            how = {"sampler": described["likelihood"]}
            return {f"{k}_flow": with_card(values[k], **how) for k in ("nll", "bpd")} if own.kind == "estimate" else {}
        x = subject.x(n=subject.affordable(subject.size(subject.split)))
        scores = scored(subject, partial(flow, evaluations=self.evaluations), x)
        return code_length(subject, scores, "_flow", flow, sampler=described.get("flow", "probability flow"))

    def weighted(self, subject: Subject, k: int) -> Values:
        """−log (1/k) Σ p(x, zᵢ)/q(zᵢ|x), nats an image, and as bits per dimension. Burda et al. 2016."""
        family = subject.family
        if not isinstance(family, HasPosterior):
            why = NotApplicable("importance samples come from a posterior over codes, which this family has not")
            return {"nll_iw": why, "bpd_iw": why}
        scores = scored(subject, partial(family.log_prob, k=k), subject.x(n=self.k_images))
        return code_length(subject, scores, "_iw", None, samples=k)


def works_on_logits(subject: Subject) -> bool:
    return subject.spec.bounded and isinstance(subject.family, WorksOnLogits)


def nll_logits(subject: Subject, scores: Likelihoods) -> Value:
    """−log p(v) of the logits v, nats an image: −log p(x) + log |det ∂v/∂x|. Papamakarios, Pavlakou & Murray 2017, sec. 4.2."""
    family, g = subject.need(WorksOnLogits, "no logits"), subject.generator("likelihood")
    x = subject.x(n=subject.affordable(subject.size(subject.split)))
    volume = torch.cat([family.logits(part.to(subject.device), g)[1].cpu() for part in x.split(subject.chunk)])
    return mean(subject, scores, volume - scores.values, references=gaussian_of_logits(subject, family))


def with_card(found: Value | NotApplicable, **card: Any) -> Value | NotApplicable:
    whole = {**found.card, **card}
    return Value(found.value, whole) if isinstance(found, Value) else NotApplicable(str(found), **whole)


def scored(subject: Subject, log_prob: LogProb, x: Tensor) -> Likelihoods:
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


def level_rates(subject: Subject) -> list[str]:
    """Names of the rates of several levels, from the one next to the images upwards."""
    several = subject.levels > 1 and isinstance(subject.family, HasPosterior)
    return [f"rate_{level}" for level in range(1, subject.levels + 1)] * several


def parts(subject: Subject, scores: Likelihoods) -> Values:
    """rate, distortion and neg_elbo of what the family says of x by itself."""
    values: Values = {}
    for part in ("rate", *level_rates(subject), "distortion"):
        if part in scores.parts:
            values[part] = mean(subject, scores, scores.parts[part])
        else:
            exact = scores.kind == "exact"
            why = "an exact likelihood has no such parts" if exact else "not taken apart for this family"
            values[part] = NotApplicable(why, **card_of(subject, scores))
    if scores.kind == "lower bound":
        return {**values, "neg_elbo": mean(subject, scores, -scores.values)}
    kind = "exact" if scores.kind == "exact" else f"an {scores.kind}"
    return {**values, "neg_elbo": NotApplicable(f"its likelihood is {kind}, not a bound", **card_of(subject, scores))}


def gap(subject: Subject, scores: Likelihoods, log_prob: LogProb) -> Value | NotApplicable:
    """−log p(x) (−ELBO where it bounds) of test images less that of training images, nats an image, at equal noise.

    As many training images as test images, chosen once for all runs; the two means' errors add as independent ones.
    """
    if subject.split == "train":
        return NotApplicable("measured on the training images themselves")
    n = min(len(scores.values), subject.size("train"))
    train = estimate(-scored(subject, log_prob, subject.x("train", n)).values)
    test = estimate(-scores.values)
    error = (train.standard_error**2 + test.standard_error**2) ** 0.5
    note = f"{subject.split} {test.value:.6g}, train {train.value:.6g} nats"
    # a difference of bounds bounds nothing
    card = {**card_of(subject, scores), "kind": "estimate", "train_n": n, "standard_error": error, "note": note}
    return value(test.value - train.value, **card)


def code_length(
    subject: Subject,
    scores: Likelihoods,
    tail: str,
    log_prob: IterativeLogProb | None,
    *,
    references: bool = False,
    **card: Any,
) -> Values:
    """nll and bpd: −log p(x) in nats an image, and in bits per dimension where it is a code length of the data's levels.

    Neither where it is an equation's solution whose error is too large: an estimate that errs low looks like a good model.
    log_prob: what solves the equation, where one is solved.
    """
    error = None if log_prob is None else solver_error(subject, scores, log_prob)
    per_dim = None if error is None else error / (subject.spec.dim * math.log(2))
    coarse = per_dim is not None and per_dim > TOLERATED and (
        f"{scores.evaluations} evaluations solve its equation to {per_dim:.2g} bits a dimension only: "
        f"metrics.likelihood.evaluations={2 * scores.evaluations}"
    )  # fmt: skip
    card |= card_of(subject, scores)
    values: Values = {}
    if coarse:
        values[f"nll{tail}"] = NotApplicable(coarse, **{"solver_error": error, **card})
    else:
        values[f"nll{tail}"] = mean(subject, scores, -scores.values, solver_error=error, **card)
    if why := coarse or no_bits(subject, scores):
        values[f"bpd{tail}"] = NotApplicable(why, **{"solver_error": per_dim, **card})
    else:
        if references:
            card["references"] = compressor_references(subject)
        bits = subject.spec.bits_per_dim(-scores.values, density=scores.density)
        values[f"bpd{tail}"] = mean(subject, scores, bits, solver_error=per_dim, **card)
    return values


def solver_error(subject: Subject, scores: Likelihoods, log_prob: IterativeLogProb) -> float | None:
    """Nats an image by which the solution of a flow's equation errs, by Richardson's rule; None where none is solved.

    What half as many calls change in size, a fifteenth of it for a solver of fourth order, mean over `FEW` images.
    """
    if scores.kind != "estimate":
        return None
    if scores.evaluations < 2 * RungeKutta.evaluations:
        return math.inf
    x = subject.x(n=FEW)
    coarse, fine = (
        scored(subject, partial(log_prob, evaluations=-(-scores.evaluations // parts)), x).values for parts in (2, 1)
    )
    return float((coarse - fine).abs().mean()) / 15


def no_bits(subject: Subject, scores: Likelihoods) -> str | None:
    """Why −log p(x) is no number of bits for the data's own levels, or None where it is."""
    spec, family = subject.spec, subject.family
    if spec.levels is None:
        return "real-valued data have no levels to code"
    if isinstance(family, DecodesToLikelihood):
        own = family.likelihood
        if not (own.discrete or (spec.dequantized and own.normalised)):
            use = "gaussian" if spec.dequantized else "discretized_logistic"
            return f"{own.describe()} is no likelihood of images with {spec.levels} levels; use likelihood={use}"
    return None


def mean(subject: Subject, scores: Likelihoods, values: Tensor, **card: Any) -> Value:
    """The mean of values per image, with its standard error."""
    found = estimate(values)
    return value(found.value, **{**card_of(subject, scores), "standard_error": found.standard_error, **card})


def card_of(subject: Subject, scores: Likelihoods) -> dict[str, Any]:
    family = subject.family
    return {
        "kind": scores.kind, "density": scores.density, "n": len(scores.values), "function_evaluations": scores.evaluations,
        "likelihood": family.likelihood.describe() if isinstance(family, DecodesToLikelihood) else None,
        "noise_seed": MEASURE_SEED,
    }  # fmt: skip
