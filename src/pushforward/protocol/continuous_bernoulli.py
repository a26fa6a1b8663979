"""The bound of a VAE under the continuous Bernoulli, whatever Bernoulli it was trained by. Loaiza-Ganem & Cunningham 2019."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.distributions import Bernoulli, ContinuousBernoulli
from pushforward.distributions.gaussian import kl_standard_normal
from pushforward.domains import Probability
from pushforward.families import DecodesToLikelihood
from pushforward.metrics.likelihood import estimate
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import NotApplicable, Subject

HALVINGS = 40
"""Of the interval in which a mean's logit lies: to 1e-11 of it."""


@dataclass(frozen=True)
class ContinuousBernoulliBound(Measure):
    """cb_elbo: ELBO of test images in nats, the decoder's λ as it was trained in the continuous Bernoulli.

    cb_elbo_mean: with the λ whose mean is the decoder's, which is the same for a decoder that was trained by it.

    clip: λ is held in [clip, 1 − clip] as published: black pixels that are black in all images have densities without end.
    """

    order = 36
    clip: Probability

    def numbers(self, subject: Subject) -> Sequence[Number]:
        return (Number("cb_elbo", "nats", "higher", main=True), Number("cb_elbo_mean", "nats", "higher"))

    def values(self, subject: Subject) -> dict[str, Value]:
        family = subject.need(DecodesToLikelihood, "this family has no density of images given codes")
        if not isinstance(family.likelihood, Bernoulli | ContinuousBernoulli):
            raise NotApplicable("its likelihood is no Bernoulli, continuous or not")
        x, (mean, log_std) = subject.x(), subject.posterior()
        g = subject.generator("continuous bernoulli")
        noise = torch.randn(mean.shape, generator=g, device=g.device).cpu()
        rate = kl_standard_normal(mean.double(), log_std.double()).sum(1)
        density, most = ContinuousBernoulli(spec=subject.spec), math.log((1 - self.clip) / self.clip)
        found: dict[str, list[Tensor]] = {"cb_elbo": [], "cb_elbo_mean": []}
        for rows in torch.arange(len(x)).split(subject.chunk):
            z = mean[rows] + log_std[rows].exp() * noise[rows]
            means = subject.batched(family.decode, z)
            matched = logit_of_mean(density, means, most)
            as_trained = (
                matched if isinstance(family.likelihood, ContinuousBernoulli) else means.logit().clamp(-most, most)
            )
            for name, logits in (("cb_elbo", as_trained), ("cb_elbo_mean", matched)):
                found[name].append(density.log_prob(logits[:, None], x[rows]))
        card = {
            "kind": "lower bound",
            "density": True,
            "n": len(x),
            "likelihood": density.describe(),
            "clip": self.clip,
        }
        bounds = {name: estimate(torch.cat(parts).double() - rate) for name, parts in found.items()}
        return {name: value(b.value, standard_error=b.standard_error, **card) for name, b in bounds.items()}


def logit_of_mean(density: ContinuousBernoulli, means: Tensor, most: float) -> Tensor:
    """The logit in [−most, most] of the continuous Bernoulli with a mean, by halving: the mean rises with the logit."""
    low, high = torch.full_like(means, -most), torch.full_like(means, most)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = density.mean(middle[:, None]) > means
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (low + high) / 2
