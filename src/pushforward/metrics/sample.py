"""The quality of samples, seen through a classifier: Fréchet distance of its features, and the classes it sees."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.errors import PushforwardError
from pushforward.metrics import moments
from pushforward.metrics.information import kl_divergence
from pushforward.seeds import generator

NARROW = 512
"""Features up to which the spread of a Fréchet distance is worked out beside it."""


def frechet_distance(
    mean1: Float[Tensor, " d"], cov1: Float[Tensor, "d d"], mean2: Float[Tensor, " d"], cov2: Float[Tensor, "d d"]
) -> Float[Tensor, ""]:
    """Squared 2-Wasserstein distance between two Gaussians, in squared feature units, float64. Dowson & Landau 1982.

    ‖μ₁−μ₂‖² + tr(S₁ + S₂ − 2(S₁^½ S₂ S₁^½)^½): the root's trace is the sum of the roots of eigenvalues of a symmetric
    matrix, which, unlike the root of the product S₁S₂, has no imaginary part to throw away.
    """
    mean1, cov1, mean2, cov2 = (t.double() for t in (mean1, cov1, mean2, cov2))
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ cov2 @ root).clamp(min=0).sqrt().sum()
    distance = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * overlap
    return distance.clamp(min=0)  # rounding alone can take it below


def frechet_distance_of(first: Float[Tensor, "n d"], second: Float[Tensor, "m d"]) -> float:
    """Fréchet distance between two sets of features, each as a Gaussian of its mean and covariance (divisor n − 1).

    Raises PushforwardError of fewer than two images on a side, and of features that are not finite.
    """
    for features in (first, second):
        _require_two(len(features))
        if not bool(features.isfinite().all()):
            raise PushforwardError("Fréchet distance: a feature is not finite; leave out the samples that diverged.")
    a, b = (moments.mean_and_covariance(moments.of(f)) for f in (first, second))
    return float(frechet_distance(*a, *b))


def frechet_error(generated: Float[Tensor, "n d"], real: Float[Tensor, "m d"], groups: int = 10) -> float | None:
    """Standard error of `frechet_distance_of` over draws of the generated images, the real ones given, feature².

    The jackknife that leaves out a group at a time. Quenouille 1956; Tukey 1958. None of more than `NARROW` features, where
    it would take minutes, and of fewer than two images a group.
    """
    if generated.shape[1] > NARROW or len(generated) < 2 * groups:
        return None
    held = moments.mean_and_covariance(moments.of(real))
    parts = torch.stack([moments.of(part) for part in generated.tensor_split(groups)])
    left = [moments.merge(torch.cat((parts[:i], parts[i + 1 :]))) for i in range(groups)]
    values = torch.stack([frechet_distance(*moments.mean_and_covariance(m), *held) for m in left])
    return float(((groups - 1) * values.var(correction=0)).sqrt())


class FrechetProtocol(NamedTuple):
    """value: generated against test; floor: train against test at the same n, what a perfect model would score."""

    value: float
    floor: float
    n: int


def protocol_size(n_test: int, n_train: int, limit: int = 10_000) -> int:
    """The number of images on each side of every Fréchet distance of a table: min(test, train, limit)."""
    return min(n_test, n_train, limit)


def fd_protocol(
    generated: Float[Tensor, "g d"],
    test: Float[Tensor, "t d"],
    train: Float[Tensor, "m d"],
    limit: int = 10_000,
    seed: int = 0,
) -> FrechetProtocol:
    """Fréchet distance of generated to test features with its floor, at one N for every row of a table.

    The bias at N samples on each side is about d(d+5)/2N for whitened features (from each side d/N of the mean and
    d(d+1)/4N of the covariance), so numbers at different N say nothing of each other.
    Test and train images are chosen by a fixed `seed`; of the generated, the first N count.
    """
    n = protocol_size(len(test), len(train), limit)
    if len(generated) < n:
        raise PushforwardError(
            f"Fréchet distance: {len(generated)} generated images, but the protocol compares {n} with {n}; "
            f"generate {n}, or set metrics.images={len(generated)} for every row of the table."
        )
    test, train = subset(test, n, seed, "test"), subset(train, n, seed, "train")
    return FrechetProtocol(frechet_distance_of(generated[:n], test), frechet_distance_of(train, test), n)


def subset(x: Float[Tensor, "m ..."], n: int, seed: int, split: str) -> Float[Tensor, "n ..."]:
    """`n` of a split's images, the same for every run, in their order; all of them where n is all."""
    if n >= len(x):
        return x
    chosen = torch.randperm(len(x), generator=generator("cpu", seed, "frechet", split))[:n].sort().values
    return x[chosen.to(x.device)]


def frechet_within_classes(
    generated: Float[Tensor, "n d"], real: Float[Tensor, "n d"], y: Int[Tensor, " n"]
) -> Float[Tensor, " k"]:
    """Fréchet distance between the generated and the real features of each class in y, feature², (k,), float64."""
    return torch.tensor(
        [frechet_distance_of(generated[y == k], real[y == k]) for k in y.unique().tolist()], dtype=torch.float64
    )


def class_accuracy(logits: Float[Tensor, "n k"], y: Int[Tensor, " n"]) -> float:
    """Share of images that a classifier takes for the class y."""
    return float((logits.argmax(1) == y).double().mean())


def mode_histogram(logits: Float[Tensor, "n k"]) -> Float[Tensor, " k"]:
    """Share of images that a classifier takes for each class, float64, sums to 1."""
    n, k = logits.shape
    return torch.bincount(logits.argmax(1), minlength=k).double() / max(n, 1)


def classifier_score(logits: Float[Tensor, "n k"]) -> float:
    """exp of the mean KL(p(y|x) ‖ p(y)), between 1 and the number of classes. Salimans et al. 2016, on any classifier.

    How sure the classifier is of each sample, and how evenly it sees all classes; K for balanced one-hot predictions.
    """
    log_p = logits.double().log_softmax(1)
    return float(kl_to_mean(log_p).mean().exp())


def kl_to_mean(log_p: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """KL(p(y|x) ‖ mean p(y)), nats per image."""
    log_marginal = log_p.logsumexp(0) - math.log(len(log_p))
    return (log_p.exp() * (log_p - log_marginal)).sum(1)


def class_kl(shares: Float[Tensor, " k"], real_shares: Float[Tensor, " k"]) -> float:
    """KL(generated classes ‖ real classes), nats, from their shares; infinite where a class that is not real is seen."""
    return float(kl_divergence(shares.double().cpu(), real_shares.double().cpu()))


def _require_two(n: int) -> None:
    if n < 2:
        raise PushforwardError(f"Fréchet distance: {n} images on one side; a covariance needs at least 2.")
