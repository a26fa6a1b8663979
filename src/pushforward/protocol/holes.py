"""Helpers of measures of the latent space: the manifold of the training images, and the share of a set that is off it."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from pushforward.errors import PushforwardError
from pushforward.metrics.latent import Manifold, Remoteness, remoteness
from pushforward.metrics.sample import protocol_size
from pushforward.protocol.measure import Value, value
from pushforward.protocol.subject import NotApplicable, Subject


class Surroundings:
    """The union of k-NN balls about `images` training images in feature space, and the share of test images outside it.

    Raises NotApplicable where there are no features, or no k-th neighbours.
    """

    def __init__(self, subject: Subject, images: int, k: int) -> None:
        self.subject, self.k, self.features = subject, k, subject.extractor
        self.n = protocol_size(subject.size(subject.split), subject.size("train"), images)
        self.n_train = min(subject.size("train"), images)
        if not k < self.n_train:
            raise NotApplicable(f"{self.n_train} training images have no {k}-th neighbours")
        self.manifold: Manifold = subject.once(
            ("manifold", self.n_train, k), lambda: Manifold.of(self.features_of("train", self.n_train), k)
        )
        self.floor: float = subject.once(
            ("manifold floor", self.n, self.n_train, k), lambda: self.share(self.features_of(subject.split, self.n))
        )

    def features_of(self, split: str, n: int) -> Tensor:
        return self.subject.once(("features", split, n), lambda: self.features(self.subject.raw(split, n)))

    def featured(self, x: Tensor) -> Tensor:
        """Features of what a decoder made. Raises NotApplicable where that is not finite."""
        if not bool(x.isfinite().all()):
            raise NotApplicable("what it decodes is not finite")
        return self.features(self.subject.levelled(x))

    def share(self, features: Tensor) -> float:
        return float(self.manifold.outside(features).double().mean())

    def remoteness(self, features: Tensor) -> Remoteness:
        return remoteness(features, self.manifold)

    def off(self, features: Tensor, **card: Any) -> Value:
        """The share of points off the manifold."""
        share, n = self.share(features), len(features)
        error = (share * (1 - share) / n) ** 0.5
        about = {"k": self.k, "n_manifold": self.n_train, "manifold": "train", "floor": self.floor}
        return value(share, n=n, standard_error=error, **about, **card, **self.features.card)


def decoded(subject: Subject, codes: Tensor) -> Tensor:
    """The images that a family decodes codes to, on the CPU. Raises NotApplicable where it has no decoder."""
    return subject.batched(subject.decoder().decode, codes)


def attempt(make: Callable[[], Value]) -> Value | NotApplicable:
    """The result of a call, or the reason why there is none."""
    try:
        return make()
    except NotApplicable as reason:
        return reason
    except PushforwardError as error:
        return NotApplicable(str(error))
