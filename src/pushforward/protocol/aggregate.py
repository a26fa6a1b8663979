"""The rate taken apart over the aggregate posterior, and how many units of the code are in use."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.domains import Count, NonNegative
from pushforward.families import HasPosterior
from pushforward.families.capabilities import HasCoder
from pushforward.metrics import aggregate
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import NotApplicable, Subject

NEAR = 1.0
"""Nats below ln images from which on the number says more of the images than of the model."""
PARTS = ("mutual_information", "total_correlation", "dimension_kl", "marginal_kl")
BOUNDS = {"mutual_information": "at least", "total_correlation": "at most", "marginal_kl": "at most"}
"""The note on a part whose information is near its limit."""


@dataclass(frozen=True)
class Aggregate(Measure):
    """Mutual information, total correlation, dimension-wise KL and KL of the aggregate to the prior, nats; active units.

    images: of the evaluation split at the most, of which q(z) is the aggregate: the information is at most ln images,
    so tables do not mix sizes. Where it comes within `NEAR` of that, it is a lower bound on the information over all
    images there could be, and what is left of the rate, total correlation and marginal KL, upper bounds.
    active: variance of a posterior mean over images from which on a unit counts as active.
    """

    order = 40
    images: Count
    active: NonNegative

    def numbers(self, subject: Subject) -> Sequence[Number]:
        return (*(Number(name, "nats") for name in PARTS), *(Number(name, "units") for name in units(subject)))

    def values(self, subject: Subject) -> Mapping[str, Value | NotApplicable]:
        try:
            return self.of_gaussians(subject)
        except NotApplicable as why:
            if subject.levels == 1:
                raise
            subject.need(HasPosterior, str(why))
            mean = subject.codes(subject.split, self.images).double()
            return dict.fromkeys(PARTS, why) | self.active_units(
                subject, mean, "means, each given those drawn before it"
            )

    def active_units(self, subject: Subject, mean: Tensor, codes: str) -> dict[str, Value]:
        """Active units of all codes, and of each level where there are several."""
        card: dict[str, Any] = {"n": len(mean), "dimensions": mean.shape[1], "aggregate_of": len(mean)}
        levels = mean.split(level_sizes(subject, mean), 1)
        counted = [mean, *levels] if len(levels) > 1 else [mean]
        return {
            name: value(aggregate.active_units(part, self.active), codes=codes, threshold=self.active, **card)
            for name, part in zip(units(subject), counted, strict=True)
        }

    def of_gaussians(self, subject: Subject) -> dict[str, Value]:
        mean, log_std = (t.double() for t in subject.posterior(n=self.images))
        prior = subject.prior
        if prior is None:
            raise NotApplicable("this family has no prior over codes")
        n, dimensions = mean.shape
        g = subject.generator("aggregate")
        noise = torch.randn(mean.shape, generator=g, device=g.device, dtype=torch.float32).cpu().double()
        z = mean + log_std.exp() * noise
        parts = aggregate.parts_of_rate(z, mean, log_std, subject.batched(prior.log_prob, z))
        card = {"n": n, "dimensions": dimensions, "aggregate_of": n}
        full = parts["mutual_information"].value > math.log(n) - NEAR
        values = {
            name: value(
                parts[name].value, kind=BOUNDS.get(name) if full else None, standard_error=parts[name].standard_error,
                codes="one z ~ q(z|x) an image", estimator="exact over the aggregate of the same images",
                note=f"at most ln {n} = {math.log(n):.4g}" if name == "mutual_information" else None, **card,
            )
            for name in PARTS
        }  # fmt: skip
        return {**values, **self.active_units(subject, mean, "posterior mean")}


def units(subject: Subject) -> list[str]:
    """Names of the numbers of active units: of all, and of each level where there are several."""
    return ["active_units", *[f"active_units_{level}" for level in range(1, subject.levels + 1)] * (subject.levels > 1)]


def level_sizes(subject: Subject, mean: Tensor) -> list[int]:
    """Dimensions of each level of flat codes."""
    family = subject.family
    return [math.prod(shape) for shape in family.coder.shapes] if isinstance(family, HasCoder) else [mean.shape[1]]
