"""The rate taken apart over the aggregate posterior, and how many units of the code are in use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pushforward.domains import Count, NonNegative
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
        return (*(Number(name, "nats") for name in PARTS), Number("active_units", "units"))

    def values(self, subject: Subject) -> dict[str, Value]:
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
        units = aggregate.active_units(mean, self.active)
        return {**values, "active_units": value(units, codes="posterior mean", threshold=self.active, **card)}
