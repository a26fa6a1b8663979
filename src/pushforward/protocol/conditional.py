"""Class-conditional samples: whether a classifier of the data sees the class requested, and their quality within each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.domains import Count
from pushforward.families import ClassConditional, Samples
from pushforward.metrics import sample
from pushforward.protocol.feature_sets import TEST, FeatureSets, binomial
from pushforward.protocol.features.base import Classifies
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import MEASURE_SEED, NotApplicable, Subject
from pushforward.seeds import generator


@dataclass(frozen=True)
class Conditional(Measure):
    """Of models that are told classes, with samples of each class as many as there are held-out images of it.

    `class_accuracy`: the share of samples that the classifier takes for the class asked for; beside it what training images
    score, and these samples under labels at random. `fd_class_<features>`: the Fréchet distance between samples and held-out
    images of one class, its mean over classes; in its card each class's, and the same of training images (floor): of few
    images a class it is mostly bias, which the floor shares.

    images: in all, at the most. random_labels: models that take no labels are measured too, under labels that they are not
    told: what chance scores.
    """

    order = 55
    of_images = True
    images: Count
    random_labels: bool = False

    def numbers(self, subject: Subject) -> Sequence[Number]:
        there = subject.labels(n=1) is not None
        if not there or not (told(subject) or (self.random_labels and isinstance(subject.family, Samples))):
            return ()
        features = "lenet" if subject.features is None else subject.features.name
        return (Number("class_accuracy", "share", "higher"), Number(f"fd_class_{features}", "feature²", "lower"))

    def values(self, subject: Subject) -> dict[str, Value | NotApplicable]:
        accuracy_name, distance_name = (number.name for number in self.numbers(subject))
        features = subject.features
        if not isinstance(features, Classifies):
            about = {} if features is None else features.card
            raise NotApplicable("no classifier of the data's classes: use features=lenet", **about)
        n = sample.protocol_size(subject.size(subject.split), subject.size("train"), self.images)
        y = subject.labels(n=n)
        assert y is not None
        try:
            x = subject.levelled(self.samples(subject, y))
        except NotApplicable as reason:
            raise NotApplicable(str(reason), **features.card) from None
        card = {**features.card, "n": n, "classes": len(y.unique()), "sampler": subject.described()}
        if not told(subject):
            card["note"] = "the model takes no labels: these are at random"
        real = of_each_class(subject, y)
        logits = features.logits(x).cpu()
        taken, shares = sample.mode_histogram(logits), y.bincount(minlength=logits.shape[1]) / n
        accuracy = sample.class_accuracy(logits, y)
        held = FeatureSets(subject, n).features(TEST)
        return {
            accuracy_name: value(
                accuracy,
                standard_error=binomial(accuracy, n),
                floor=sample.class_accuracy(features.logits(real).cpu(), y),
                references={"labels at random": float(taken @ shares.double())},
                by_class=[round(sample.class_accuracy(logits[y == k], y[y == k]), 4) for k in y.unique().tolist()],
                **card,
            ),
            distance_name: within_classes(features(x).cpu(), features(real).cpu(), held, y, card),
        }

    def samples(self, subject: Subject, y: Tensor) -> Tensor:
        """A sample of each class in y. Raises NotApplicable where they are not finite."""
        family, parts = subject.family, []
        for i, labels in enumerate(y.split(subject.chunk)):
            g = subject.generator("conditional", i)
            if isinstance(family, ClassConditional) and told(subject):
                drawn = family.sample(len(labels), g, labels.to(subject.device))
            else:
                drawn = subject.need(Samples, "no samples").sample(len(labels), g)
            parts.append(drawn.float().cpu())
        made = torch.cat(parts)
        if not bool(made.isfinite().all()):
            raise NotApplicable("its samples are not finite")
        return made


def told(subject: Subject) -> bool:
    """Whether the family draws images of given classes."""
    return isinstance(subject.family, ClassConditional) and subject.family.condition.classes > 0


def of_each_class(subject: Subject, y: Tensor) -> Tensor:
    """Training images of the classes y, drawn without putting back as long as there are any left of a class."""
    train = subject.labels("train")
    assert train is not None
    g, rows = generator("cpu", MEASURE_SEED, "conditional", "train"), torch.zeros_like(y)
    for k in y.unique().tolist():
        own, wanted = (train == k).nonzero()[:, 0], y == k
        if not len(own):
            raise NotApplicable(f"class {k} has held-out images and no training images")
        order = own[torch.randperm(len(own), generator=g)]
        rows[wanted] = order.repeat(-(-int(wanted.sum()) // len(own)))[: int(wanted.sum())]
    return subject.raw("train")[rows]


def within_classes(fake: Tensor, train: Tensor, held: Tensor, y: Tensor, card: dict[str, Any]) -> Value | NotApplicable:
    """The Fréchet distance within classes, of features of samples, training and held-out images of classes y."""
    counts = y.unique(return_counts=True)[1]
    few, dimensions = int(counts.min()), fake.shape[1]
    if few < 2:
        return NotApplicable("a class has one held-out image, of which there is no covariance", **card)
    values, floors = (sample.frechet_within_classes(x, held, y) for x in (fake, train))
    errors = [sample.frechet_error(fake[y == k], held[y == k]) for k in y.unique().tolist()]
    error = None if None in errors else float(torch.tensor(errors).square().sum().sqrt()) / len(errors)
    notes = [card["note"]] if "note" in card else []
    if few <= dimensions:
        notes.append(f"{few} images of a class and {dimensions} features: mostly bias, to be read beside the floor")
    more = {"n_class": [few, int(counts.max())], "by_class": [round(v, 3) for v in values.tolist()]}
    note = "; ".join(notes) or None
    return value(values.mean(), standard_error=error, floor=float(floors.mean()), **{**card, **more, "note": note})
