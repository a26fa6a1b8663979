"""The use of a code's units by the images of the split."""

from collections.abc import Sequence
from dataclasses import dataclass

from pushforward.domains import Count
from pushforward.families import Sparse
from pushforward.metrics import sparsity
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import NotApplicable, Subject, no_images

ANY = (
    Number("hoyer", "0 to 1"),
    Number("population_sparsity", "0 to 1"),
    Number("lifetime_sparsity", "0 to 1"),
    Number("dead_units", "share"),
)
"""The numbers that make sense of every code."""
OF_SPARSE = (Number("mean_activation", "activation"), Number("active_per_image", "units an image"))
OF_TARGET = (Number("units_on_target", "share"),)


@dataclass(frozen=True)
class Sparsity(Measure):
    """Hoyer, population and lifetime sparsity and dead units of every code; of sparse codes also how many units are on.

    images: of the split, all where None. A posterior's code is its mean.
    """

    order = 120
    images: Count | None = None

    def numbers(self, subject: Subject) -> Sequence[Number]:
        family = subject.family
        if not isinstance(family, Sparse):
            return ANY
        return (*ANY, *OF_SPARSE, *(OF_TARGET if family.target_activation is not None else ()))

    def values(self, subject: Subject) -> dict[str, Value]:
        z = subject.codes(subject.split, self.images)
        if not len(z):
            raise NotApplicable(no_images(subject.split))
        target = subject.family.target_activation if isinstance(subject.family, Sparse) else None
        found = sparsity.summary(z, target)
        card = {"n": len(z), "units": z.shape[1]}
        return {n.name: value(found[n.name][0], **card, **found[n.name][2]) for n in self.numbers(subject)}
