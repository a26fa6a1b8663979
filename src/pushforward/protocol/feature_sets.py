"""Sets of images seen through features, and the numbers that compare one set with held-out images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from pushforward.metrics import sample
from pushforward.metrics.extrapolated import frechet_infinity
from pushforward.metrics.kernel import kernel_distance
from pushforward.metrics.manifold import precision_recall_density_coverage
from pushforward.metrics.nearest import memorised
from pushforward.protocol.features.base import Classifies, HasLogits, digest
from pushforward.protocol.measure import LITTLE, Number, Value, value
from pushforward.protocol.shared_numbers import cached_tensor
from pushforward.protocol.subject import MEASURE_SEED, Subject
from pushforward.seeds import generator

TEST, TRAIN, WHOLE = "held-out images", "training images", "all training images"
"""Names of sets of real images: `n` of the evaluated split, `n` of the training images, and all of these."""
OWN = "own"


class FeatureSets:
    """Features and logits of sets of images by name, each computed once for a subject.

    n: images of each set. A set is one of the real ones, the samples of a density over codes (`own`: of the prior), or one
    of `others`: name -> make the images. Raises NotApplicable for a set that is not available.
    """

    def __init__(self, subject: Subject, n: int, others: Mapping[str, Callable[[], Tensor]] | None = None) -> None:
        self.subject, self.n, self.others = subject, n, dict(others or {})
        self._made: dict[str, Tensor] = {}

    def images(self, name: str) -> Tensor:
        subject = self.subject
        if name in self.others:
            if name not in self._made:
                self._made[name] = self.others[name]()
            return self._made[name]
        if name == WHOLE:
            return subject.raw("train")
        if name in (TEST, TRAIN):
            return subject.raw(subject.split if name == TEST else "train", self.n)
        return subject.levelled(subject.samples(self.n, name))

    def variance(self) -> Tensor:
        """The held-out images' variance, summed over pixels, ()."""
        return self.images(TEST).var(0).sum()

    def forget(self, name: str) -> None:
        """Lets go of one of `others`, with all that was computed of it."""
        if name in self.others:
            self._made.pop(name, None)
            self.subject.forget(("features", "samples", name, self.n), ("logits", name, self.n))

    def features(self, name: str) -> Tensor:
        """(n, d), float32 on the CPU. Shared with other measures of the same subject by its key."""
        split = {TEST: self.subject.split, TRAIN: "train", WHOLE: "train"}.get(name)
        n = self.subject.size("train") if name == WHOLE else self.n
        if split is None:
            return self.subject.once(("features", "samples", name, n), lambda: self._computed(name))
        return self.subject.once(("features", split, n), lambda: self._real(name, split, n))

    def _computed(self, name: str) -> Tensor:
        return self.subject.extractor(self.images(name)).float().cpu()

    def _real(self, name: str, split: str, n: int) -> Tensor:
        """Features of real images are the same for every run: kept on disk, where the features say what they are."""
        about = self.subject.extractor.card
        if not about.get("features_hash"):  # a person's own, that nothing identifies
            return self._computed(name)
        key = {
            "features": {part: about[part] for part in ("features", "features_hash")},
            "n": n,
            "split": split,
            "data": data_digest(self.subject, split),
            "cut": self.subject.data.card["split_seed"],
        }
        return cached_tensor("features", key, lambda: self._computed(name))

    def logits(self, name: str) -> Tensor:
        """(n, k), of features that have them. Shared as `features`."""
        features = self.subject.extractor
        assert isinstance(features, HasLogits)
        return self.subject.once(("logits", name, self.n), lambda: features.logits(self.images(name)).float().cpu())

    def shares(self, name: str) -> Tensor:
        return sample.mode_histogram(self.logits(name))


@dataclass(frozen=True)
class Part:
    """Numbers that are computed together: of(seen, set) -> one for each, in order.

    floor: the real images that a perfect model's samples would be like. needs: what the features must have. also: sets
    that stand among the references besides those that no model produced. card: what the numbers depend on.
    """

    numbers: tuple[Number, ...]
    of: Callable[[FeatureSets, str], list[Value]]
    floor: str = TRAIN
    needs: type | None = None
    also: tuple[str, ...] = ()
    card: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.numbers[0].name.replace("_{}", "")


def data_digest(subject: Subject, split: str) -> str:
    """The identity of a split's images: SHA-256 of the source's levels, or of its values."""

    def digested() -> str:
        data = subject.data
        x = data.tensor(split) if data.arrays.levels is None else data.raw_levels(split)
        return digest(f"{tuple(x.shape)} {data.arrays.levels}".encode(), x.numpy())

    return subject.once(("digest", split), digested)


def frechet(sets: FeatureSets, which: str) -> list[Value]:
    x, real = sets.features(which), sets.features(TEST)
    varied = float(sets.images(which).var(0).sum() / sets.subject.once(("variance", sets.n), sets.variance))
    collapsed = {"collapsed": f"samples have {varied:.0%} of the images' variance"} if varied < LITTLE else {}
    return [value(sample.frechet_distance_of(x, real), standard_error=sample.frechet_error(x, real), **collapsed)]


def kernel(sets: FeatureSets, which: str) -> list[Value]:
    distance = kernel_distance(sets.features(which), sets.features(TEST))
    return [value(distance.value, standard_error=distance.standard_error)]


def infinite(sets: FeatureSets, which: str, points: int) -> list[Value]:
    g = generator("cpu", MEASURE_SEED, "frechet infinity")
    limit = frechet_infinity(sets.features(which), sets.features(TEST), g, points)
    return [value(limit.value, standard_error=limit.standard_error)]


def manifold(sets: FeatureSets, which: str, k: int) -> list[Value]:
    shares = precision_recall_density_coverage(sets.features(TEST), sets.features(which), k)
    return [value(shares[name]) for name in ("precision", "recall", "density", "coverage")]


def memory(sets: FeatureSets, which: str) -> list[Value]:
    found = memorised(sets.features(which), sets.features(WHOLE), sets.features(TEST))
    note = f"median distance to the nearest training image: {round(found.ratio, 3):g} of that of held-out images"
    return [value(found.share, standard_error=binomial(found.share, sets.n), note=note)]


def score(sets: FeatureSets, which: str) -> list[Value]:
    return [value(sample.classifier_score(sets.logits(which)))]


def classes(sets: FeatureSets, which: str) -> list[Value]:
    shares = sets.shares(which)
    least = f"class {int(shares.argmin())} of {len(shares)}"
    return [value(float(shares.min()), note=least), value(sample.class_kl(shares, sets.shares(TEST)))]


def binomial(share: float, n: int) -> float:
    """Standard error of a share of n."""
    return (share * (1 - share) / n) ** 0.5


def parts(k: int, points: int) -> dict[str, tuple[Part, ...]]:
    """The parts computed for each name in `metrics.samples.parts`."""
    of_manifold = (
        Number("precision_{}", "share", "higher", main=True), Number("recall_{}", "share", "higher", main=True),
        Number("density_{}", "balls/k", "higher"), Number("coverage_{}", "share", "higher"),
    )  # fmt: skip
    of_classes = (Number("least_class_share", "share", "higher"), Number("class_kl", "nats", "lower"))
    of_kernel = {"kernel": "(x·y/d + 1)³", "estimator": "unbiased"}
    return {
        "frechet": (Part((Number("fd_{}", "feature²", "lower", main=True, headline=2),), frechet),),
        "kernel": (Part((Number("kd_{}", "MMD²", "lower"),), kernel, card=of_kernel),),
        "manifold": (Part(of_manifold, partial(manifold, k=k), card={"k": k}),),
        "infinite": (
            Part((Number("fd_inf_{}", "feature²", "lower"),), partial(infinite, points=points), card={"points": points}),
        ),
        "classes": (
            Part((Number("classifier_score_{}", "classes", "higher"),), score, needs=HasLogits, also=(TEST,)),
            Part(of_classes, classes, needs=Classifies, also=(TEST,)),
        ),
        "memory": (
            Part(
                (Number("memorised_{}", "share", "lower"),), memory, floor=TEST,
                card={"neighbours": "training images, in features"},
            ),
        ),
    }  # fmt: skip
