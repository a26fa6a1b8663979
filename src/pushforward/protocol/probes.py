"""What a simple reader finds in codes: the class of an image, and the factors that made it."""

from dataclasses import dataclass
from typing import Any

import torch

from pushforward.domains import Count, Positive
from pushforward.metrics.probes import knn_accuracy, linear_error, logistic_accuracy
from pushforward.protocol.subject import Entries, NotApplicable, Subject, positive


@dataclass(frozen=True)
class Probes:
    """probe_logistic, probe_knn: share of held-out images whose class logistic regression, or k neighbours, tell by code.

    probe_factors: squared error of least squares from codes to the factors, in variances of each, averaged over factors.
    images: training codes, and held-out ones, at most. c: inverse penalty of the regression. max_iter: its rounds.
    """

    images: Count
    k: Count
    c: Positive
    max_iter: Count

    def __post_init__(self) -> None:
        positive(self, "images", "k", "max_iter")

    @torch.no_grad()
    def __call__(self, subject: Subject) -> Entries:
        labelled = subject.labels("train", 1) is not None
        factored = subject.factors("train", 1) is not None
        try:
            return (self.classes(subject) if labelled else {}) | (self.factors(subject) if factored else {})
        except NotApplicable as none:
            reason = str(none)
        return {
            **(dict.fromkeys(("probe_logistic", "probe_knn"), accuracy_na(subject, reason)) if labelled else {}),
            **({"probe_factors": subject.na(reason, "variance", better="lower")} if factored else {}),
        }

    def classes(self, subject: Subject) -> Entries:
        train, test = subject.codes("train", self.images), subject.codes(subject.split, self.images)
        y, truth = subject.labels("train", self.images), subject.labels(subject.split, self.images)
        assert y is not None
        if truth is None:
            raise NotApplicable(f"the {subject.split} images have no labels")
        if len(y.unique()) < 2:
            raise NotApplicable("the data have one class")
        if 2 * len(y.unique()) > len(y):
            raise NotApplicable(
                f"{len(y.unique()):,} classes in {len(y):,} images: these labels are no classes to learn"
            )
        finite(train, test)
        logistic = logistic_accuracy(train, y, test, truth, self.c, self.max_iter)
        neighbours = knn_accuracy(train, y, test, truth, self.k)
        common = {"n": len(test), "n_fitted": len(train), "code_dim": train.shape[1], "preprocessing": "standardised"}

        def entry(share: float, probe: str) -> dict[str, Any]:
            error = (share * (1 - share) / len(test)) ** 0.5
            return subject.number(share, "share", better="higher", standard_error=error, probe=probe, **common)

        regression = f"multinomial logistic regression, C = {self.c:g}, {self.max_iter} rounds of L-BFGS at most"
        return {
            "probe_logistic": entry(logistic, regression),
            "probe_knn": entry(neighbours, f"{self.k} nearest neighbours"),
        }

    def factors(self, subject: Subject) -> Entries:
        train, test = subject.codes("train", self.images), subject.codes(subject.split, self.images)
        f, truth = subject.factors("train", self.images), subject.factors(subject.split, self.images)
        assert f is not None and truth is not None
        finite(train, test)
        errors = linear_error(train, f, test, truth)
        entry = subject.number(
            errors[errors.isfinite()].mean(),
            "variance",
            better="lower",
            n=len(test),
            n_fitted=len(train),
            code_dim=train.shape[1],
            preprocessing="standardised",
            probe="least squares to each factor's value number",
            note="each: " + ", ".join(f"{e:.3f}" for e in errors.tolist()),
        )
        return {"probe_factors": entry}


def finite(*codes: torch.Tensor) -> None:
    if not all(bool(z.isfinite().all()) for z in codes):
        raise NotApplicable("its codes are not finite")


def accuracy_na(subject: Subject, reason: str) -> dict[str, Any]:
    return subject.na(reason, "share", better="higher")
