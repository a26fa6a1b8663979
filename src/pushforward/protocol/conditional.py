"""How well samples are of the class that was asked for, by a classifier of the data, and how good within each class."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.domains import Count
from pushforward.families import ClassConditional, Samples
from pushforward.metrics import sample
from pushforward.metrics.card import Better
from pushforward.protocol.feature_sets import TEST, FeatureSets, binomial
from pushforward.protocol.features.base import Classifies
from pushforward.protocol.subject import MEASURE_SEED, Entries, NotApplicable, Subject, positive
from pushforward.seeds import generator

UNITS: dict[str, tuple[str, Better]] = {"class_accuracy": ("share", "higher"), "fd_class_{}": ("feature²", "lower")}


@dataclass(frozen=True)
class Conditional:
    """Of models that are told classes, with samples of each class as many as there are held-out images of it.

    `class_accuracy`: the share of samples that the classifier takes for the class asked for; beside it what training images
    score, and these samples under labels at random. `fd_class_<features>`: the Fréchet distance between samples and held-out
    images of one class, its mean over classes; in its card each class's, and the same of training images (floor): of few
    images a class it is mostly bias, which the floor shares.

    images: in all, at the most. random_labels: models that take no labels are measured too, under labels that they are not
    told: what chance scores.
    """

    images: Count
    random_labels: bool = False

    def __post_init__(self) -> None:
        positive(self, "images")

    @torch.no_grad()
    def __call__(self, subject: Subject) -> Entries:
        n = sample.protocol_size(subject.size(subject.split), subject.size("train"), self.images)
        y = subject.labels(n=n)
        told = isinstance(subject.family, ClassConditional) and subject.family.condition.classes > 0
        if y is None or not (told or (self.random_labels and isinstance(subject.family, Samples))):
            return {}
        features = subject.features
        if not isinstance(features, Classifies):
            return not_measured(subject, "no classifier of the data's classes: use features=lenet")
        try:
            x = subject.levelled(self.samples(subject, y, told))
        except NotApplicable as reason:
            return not_measured(subject, str(reason))
        card = {**features.card, "n": n, "classes": len(y.unique()), "sampler": subject.described()}
        if not told:
            card["note"] = "the model takes no labels: these are at random"
        real = of_each_class(subject, y)
        logits = features.logits(x).cpu()
        taken, shares = sample.mode_histogram(logits), y.bincount(minlength=logits.shape[1]) / n
        accuracy = sample.class_accuracy(logits, y)
        entries = {
            "class_accuracy": subject.number(
                accuracy,
                "share",
                better="higher",
                standard_error=binomial(accuracy, n),
                floor=sample.class_accuracy(features.logits(real).cpu(), y),
                references={"labels at random": float(taken @ shares.double())},
                by_class=[round(sample.class_accuracy(logits[y == k], y[y == k]), 4) for k in y.unique().tolist()],
                **card,
            )
        }
        held = FeatureSets(subject, n).features(TEST)
        return entries | within_classes(subject, features(x).cpu(), features(real).cpu(), held, y, card)

    def samples(self, subject: Subject, y: Tensor, told: bool) -> Tensor:
        """A sample of each class in y. Raises NotApplicable where they are not finite."""
        family: Any = subject.family
        parts = []
        for i, labels in enumerate(y.split(subject.chunk)):
            g, given = subject.generator("conditional", i), (labels.to(subject.device),) if told else ()
            parts.append(family.sample(len(labels), g, *given).float().cpu())
        found = torch.cat(parts)
        if not bool(found.isfinite().all()):
            raise NotApplicable("its samples are not finite")
        return found


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


def within_classes(
    subject: Subject, fake: Tensor, train: Tensor, held: Tensor, y: Tensor, card: dict[str, Any]
) -> Entries:
    """The entry of the Fréchet distance within classes, of features of samples, training and held-out images of classes y."""
    name, (unit, better) = f"fd_class_{subject.features.name}", UNITS["fd_class_{}"]
    counts = y.unique(return_counts=True)[1]
    few, dimensions = int(counts.min()), fake.shape[1]
    if few < 2:
        return {
            name: subject.na(
                "a class has one held-out image, of which there is no covariance", unit, better=better, **card
            )
        }
    values, floors = (sample.frechet_within_classes(x, held, y) for x in (fake, train))
    errors = [sample.frechet_error(fake[y == k], held[y == k]) for k in y.unique().tolist()]
    error = None if None in errors else float(torch.tensor(errors).square().sum().sqrt()) / len(errors)
    notes = [card["note"]] if "note" in card else []
    if few <= dimensions:
        notes.append(f"{few} images of a class and {dimensions} features: mostly bias, to be read beside the floor")
    more = {"n_class": [few, int(counts.max())], "by_class": [round(v, 3) for v in values.tolist()]}
    return {
        name: subject.number(
            float(values.mean()),
            unit,
            better=better,
            standard_error=error,
            floor=float(floors.mean()),
            **{**card, **more, "note": "; ".join(notes) or None},
        )
    }


def not_measured(subject: Subject, reason: str) -> Entries:
    features = "lenet" if subject.features is None else subject.features.name
    card = {} if subject.features is None else subject.features.card
    return {
        name.format(features): subject.na(reason, unit, better=better, **card) for name, (unit, better) in UNITS.items()
    }
