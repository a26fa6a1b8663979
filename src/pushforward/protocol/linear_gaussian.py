"""A linear VAE beside probabilistic PCA, whose exact likelihood its bound reaches at best. Lucas et al. 2019."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.distributions import Gaussian
from pushforward.families import DecodesToLikelihood
from pushforward.metrics.linear_gaussian import linear_neg_elbo, probabilistic_pca
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import NotApplicable, Subject

AT_ONCE = 5000
"""Images in float64 at a time."""


@dataclass(frozen=True)
class ProbabilisticPCA(Measure):
    """ppca_neg_elbo: −ELBO over the training images, its expectation in closed form; ppca_nll: −log p of the best probabilistic
    PCA of as many dimensions; ppca_gap: their difference, which is 0 at best. Nats per image.

    ppca_variance: the decoder's σ²; ppca_variance_error: |σ²/mean of the discarded eigenvalues − 1|.
    """

    order = 35

    def numbers(self, subject: Subject) -> Sequence[Number]:
        return (
            Number("ppca_neg_elbo", "nats", "lower"),
            Number("ppca_nll", "nats"),
            Number("ppca_gap", "nats", "lower", main=True),
            Number("ppca_variance", "per pixel²"),
            Number("ppca_variance_error", "share", "lower", main=True),
        )

    def values(self, subject: Subject) -> dict[str, Value]:
        family = subject.need(DecodesToLikelihood, "this family has no density of images given codes")
        likelihood = family.likelihood
        if not isinstance(likelihood, Gaussian):
            raise NotApplicable("its likelihood is no Gaussian")
        x = subject.x("train").flatten(1)
        mean, log_std = subject.posterior("train")
        w, b = affine(subject, family, mean.shape[1])
        log_sigma = float(likelihood.log_std())
        parts = [part.double() for part in (mean, log_std)]
        total = torch.cat([
            linear_neg_elbo(x[rows].double(), parts[0][rows], parts[1][rows], w, b, log_sigma)
            for rows in torch.arange(len(x)).split(AT_ONCE)
        ])  # fmt: skip
        best, own, variance = (
            probabilistic_pca(x, mean.shape[1]),
            float(total.mean()),
            torch.tensor(2 * log_sigma).exp(),
        )
        card = {"n": len(x), "split": "train", "dimensions": mean.shape[1]}
        note = f"mean of the discarded eigenvalues {best.variance:.6g}"
        return {
            "ppca_neg_elbo": value(own, kind="lower bound", **card),
            "ppca_nll": value(best.nll, kind="exact", **card),
            "ppca_gap": value(own - best.nll, **card),
            "ppca_variance": value(variance, note=note, **card),
            "ppca_variance_error": value((variance / best.variance - 1).abs(), note=note, **card),
        }


def affine(subject: Subject, family: DecodesToLikelihood, q: int) -> tuple[Tensor, Tensor]:
    """W (p, q) and b (p,) of a decoder z ↦ Wz + b, float64. Raises NotApplicable where it is no such map."""
    eye = torch.eye(q)
    probes = torch.cat([torch.zeros(1, q), eye, 2 * eye.sum(0, keepdim=True)])
    found = subject.batched(family.decode, probes).flatten(1).double()
    b, w = found[0], (found[1 : q + 1] - found[0]).T
    expected = b + 2 * w.sum(1)
    if not torch.allclose(found[-1], expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max())):
        raise NotApplicable(
            "its decoder is no affine map: network=linear, likelihood=gaussian likelihood.mean=identity"
        )
    return w, b
