"""How the units of a code are used by the images of the split."""

from dataclasses import dataclass
from typing import Any

from pushforward.domains import Count
from pushforward.metrics import sparsity
from pushforward.protocol.subject import CHUNK, Entries, NotApplicable, Subject, positive

ANY = ("hoyer", "population_sparsity", "lifetime_sparsity", "dead_units")
"""What makes sense of every code."""


@dataclass(frozen=True)
class Sparsity:
    """Hoyer, population and lifetime sparsity and dead units of every code; of sparse codes also how many units are on.

    images: of the split, all where None. A posterior's code is its mean.
    """

    images: Count | None = None

    def __post_init__(self) -> None:
        positive(self, "images")

    def __call__(self, subject: Subject) -> Entries:
        try:
            z = subject.codes(subject.split, self.images)
        except NotApplicable as reason:
            return {name: subject.na(str(reason), unit(name), better=None) for name in ANY}
        family: Any = subject.family
        sparse = "sparse" in family.describe().get("kind", "")
        terms = getattr(getattr(family, "objective", None), "terms", {}).values()
        targets = [float(term.rho) for term in terms if hasattr(term, "rho")]
        metric = sparsity.Sparsity(z.shape[1], targets[0] if targets else None)
        for part in z.split(CHUNK):
            metric.update(part)
        return {
            name: subject.number(value, unit, better=None, n=len(z), units=z.shape[1], **how)
            for name, (value, unit, how) in metric.summary().items()
            if sparse or name in ANY
        }


def unit(name: str) -> str:
    return "share" if name == "dead_units" else "0 to 1"
