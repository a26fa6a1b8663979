"""Linear and neighbour probes of codes: for the class of an image, and for the factors that made it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pushforward.domains import Count, Positive
from pushforward.metrics.probes import knn_accuracy, linear_error, logistic_accuracy
from pushforward.protocol.feature_sets import data_digest
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.shared_numbers import cached
from pushforward.protocol.subject import NotApplicable, Subject

CLASSES = (Number("probe_logistic", "share", "higher"), Number("probe_knn", "share", "higher"))
FACTORS = (Number("probe_factors", "variance", "lower"),)


@dataclass(frozen=True)
class Probes(Measure):
    """probe_logistic, probe_knn: share of held-out images whose class logistic regression, or k neighbours, tell by code.

    probe_factors: squared error of least squares from codes to the factors, in variances of each, averaged over factors.
    images: training codes, and held-out ones, at most. c: inverse penalty of the regression. max_iter: its rounds.
    pixels: whether the card of `probe_logistic` also has what the same regression tells by the pixels themselves.
    """

    order = 100
    images: Count
    k: Count
    c: Positive
    max_iter: Count
    pixels: bool = False

    def numbers(self, subject: Subject) -> Sequence[Number]:
        labelled, factored = subject.labels("train", 1) is not None, subject.factors("train", 1) is not None
        return (*(CLASSES if labelled else ()), *(FACTORS if factored else ()))

    def values(self, subject: Subject) -> dict[str, Value]:
        wanted = self.numbers(subject)
        classes = self.classes(subject) if CLASSES[0] in wanted else {}
        return classes | (self.factors(subject) if FACTORS[0] in wanted else {})

    def classes(self, subject: Subject) -> dict[str, Value]:
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

        def share_of(share: float, probe: str, **more: Any) -> Value:
            error = (share * (1 - share) / len(test)) ** 0.5
            return value(share, standard_error=error, probe=probe, **fitted(train, test), **more)

        regression = f"multinomial logistic regression, C = {self.c:g}, {self.max_iter} rounds of L-BFGS at most"
        beside = {"references": {"raw pixels": self.of_pixels(subject, y, truth)}} if self.pixels else {}
        accuracy = logistic_accuracy(train, y, test, truth, self.c, self.max_iter)
        return {
            "probe_logistic": share_of(accuracy, regression, **beside),
            "probe_knn": share_of(knn_accuracy(train, y, test, truth, self.k), f"{self.k} nearest neighbours"),
        }

    def of_pixels(self, subject: Subject, y: Tensor, truth: Tensor) -> float:
        """The share whose class the same regression tells by pixels; once for a data set and these settings."""

        def measure() -> float:
            train, test = (subject.x(split, self.images).flatten(1) for split in ("train", subject.split))
            return logistic_accuracy(train, y, test, truth, self.c, self.max_iter)

        return cached("probe-of-pixels", self.key(subject), measure)

    def key(self, subject: Subject) -> dict[str, Any]:
        data = {split: data_digest(subject, split) for split in ("train", subject.split)}
        about = {name: subject.data.card[name] for name in ("binarize", "dequantize", "split_seed")}
        return {"data": data, **about, "images": self.images, "c": self.c, "max_iter": self.max_iter}

    def factors(self, subject: Subject) -> dict[str, Value]:
        train, test = subject.codes("train", self.images), subject.codes(subject.split, self.images)
        f, truth = subject.factors("train", self.images), subject.factors(subject.split, self.images)
        assert f is not None and truth is not None
        finite(train, test)
        errors = linear_error(train, f, test, truth)
        each = "each: " + ", ".join(f"{e:.3f}" for e in errors.tolist())
        probe = "least squares to each factor's value number"
        return {"probe_factors": value(errors[errors.isfinite()].mean(), probe=probe, note=each, **fitted(train, test))}


def fitted(train: Tensor, test: Tensor) -> dict[str, int | str]:
    return {"n": len(test), "n_fitted": len(train), "code_dim": train.shape[1], "preprocessing": "standardised"}


def finite(*codes: Tensor) -> None:
    if not all(bool(z.isfinite().all()) for z in codes):
        raise NotApplicable("its codes are not finite")
