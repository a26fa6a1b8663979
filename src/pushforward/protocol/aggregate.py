"""The rate taken apart over the aggregate posterior, and how many units of the code are in use."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from pushforward.domains import Count, NonNegative
from pushforward.metrics import aggregate
from pushforward.protocol.subject import Entries, NotApplicable, Subject, positive

NEAR = 1.0
"""Nats below ln images from which on the number says more of the images than of the model."""
PARTS = ("mutual_information", "total_correlation", "dimension_kl", "marginal_kl")


@dataclass(frozen=True)
class Aggregate:
    """Mutual information, total correlation, dimension-wise KL and KL of the aggregate to the prior, nats; active units.

    images: of the evaluation split at the most, of which q(z) is the aggregate: the information is at most ln images,
    so tables do not mix sizes. Where it comes within `NEAR` of that, it is a lower bound on the information over all
    images there could be, and what is left of the rate, total correlation and marginal KL, upper bounds.
    active: variance of a posterior mean over images from which on a unit counts as active.
    """

    images: Count
    active: NonNegative

    def __post_init__(self) -> None:
        positive(self, "images")

    @torch.no_grad()
    def __call__(self, subject: Subject) -> Entries:
        try:
            mean, log_std = (t.double() for t in subject.posterior(n=self.images))
            if not hasattr(subject.family, "prior"):
                raise NotApplicable("this family has no prior over codes")
        except NotApplicable as error:
            reason = str(error)
            return {
                **{name: subject.na(reason, "nats", better=None) for name in PARTS},
                "active_units": subject.na(reason, "units", better=None),
            }
        n, dimensions = mean.shape
        prior: Any = subject.family.prior
        g = subject.generator("aggregate")
        noise = torch.randn(mean.shape, generator=g, device=g.device, dtype=torch.float32).cpu().double()
        z = mean + log_std.exp() * noise
        log_prior = subject.batched(prior.log_prob, z)
        found = aggregate.parts_of_rate(z, mean, log_std, log_prior)
        card = {"n": n, "dimensions": dimensions, "aggregate_of": n}
        full = found["mutual_information"].value > math.log(n) - NEAR
        bounds = {"mutual_information": "at least", "total_correlation": "at most", "marginal_kl": "at most"}
        entries = {
            name: subject.number(
                found[name].value,
                "nats",
                better=None,
                kind=bounds.get(name) if full else None,
                standard_error=found[name].standard_error,
                codes="one z ~ q(z|x) an image",
                estimator="exact over the aggregate of the same images",
                note=f"at most ln {n} = {math.log(n):.4g}" if name == "mutual_information" else None,
                **card,
            )
            for name in PARTS
        }
        units = aggregate.active_units(mean, self.active)
        entries["active_units"] = subject.number(
            units, "units", better=None, codes="posterior mean", threshold=self.active, **card
        )
        return entries
