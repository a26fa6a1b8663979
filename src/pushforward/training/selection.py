"""Selecting the best weights: by a named validation value, lower is better, measured on the validation split alone."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from pushforward.data import DataModule
from pushforward.engine import Engine
from pushforward.errors import PushforwardError
from pushforward.families import Family, Samples
from pushforward.metrics.sample import frechet_distance_of
from pushforward.protocol.features import Features
from pushforward.protocol.subject import as_images, raw_images
from pushforward.seeds import generator
from pushforward.spec import Batch
from pushforward.training.build import as_precise_as

FD_IMAGES = 1000
KEPT_MB = 256
"""Prepared validation images up to this are kept on the device: they are the same at every validation."""


@dataclass
class Selector:
    """metric: auto (what the family names), a validation term, fd_lenet, or none."""

    metric: str
    features: Features | None = None
    during: Callable[[Family, DataModule], dict[str, float]] | None = None
    """Further numbers on the validation split that the metrics ask for while training; they choose nothing."""
    kept: list[Batch] = field(default_factory=list, init=False, repr=False)

    def chooses(self, family: Family, data: DataModule) -> bool:
        """Whether any value chooses the weights of such a family. Raises PushforwardError where a named one has no images."""
        if self.metric == "none" or (self.metric == "auto" and family.criterion == ()):
            return False
        there = bool(data.card["splits"]["val"])
        if not there and self.metric != "auto":
            raise PushforwardError(
                f"selection.metric={self.metric} needs validation images, and data.validation leaves none; "
                "raise it, or use selection.metric=auto"
            )
        return there

    def check(self, family: Family, features: object) -> None:
        """Raises PushforwardError where samples are to choose and there are none, or no features; features: None if none."""
        if self.metric.startswith("fd_") and (not features or not isinstance(family, Samples)):
            raise PushforwardError(f"selection.metric={self.metric} needs samples and features=lenet; use auto or none")

    def names(self, family: Family, data: DataModule) -> list[str]:
        """The values that validation gives of such a family, those of `during` left out."""
        if not self.chooses(family, data):
            return []
        if self.metric.startswith("fd_"):
            return ["criterion"]
        some = next(data.batches("val", 2, 2)).to(family.device, family.dtype)
        with torch.no_grad():
            return list(self.named(dict.fromkeys(family.eval().validation_terms(some, 0), 0.0)))

    def terms(self, engine: Engine, family: Family, data: DataModule) -> list[dict[str, float]]:
        """Each family's terms, means over the validation split; nothing waits for the device before the end."""
        names, sums, count = list[str](), torch.zeros((), dtype=torch.float64), 0
        for position, batch in enumerate(self.batches(family, data)):
            terms = engine.judge(batch, position)
            means = torch.stack(list(terms.values()), 1)
            names, sums, count = list(terms), sums.to(means.device) + means * len(batch.x), count + len(batch.x)
        return [self.named(dict(zip(names, row, strict=True))) for row in (sums / count).tolist()]

    def batches(self, family: Family, data: DataModule) -> Iterator[Batch]:
        """The validation split as the family wants it; a small one is made ready once."""
        if self.kept:
            yield from self.kept
            return
        ready, size = list[Batch](), 0
        for batch in data.batches("val"):
            batch = batch.to(family.device, family.dtype)
            size += batch.x.nbytes
            if size <= KEPT_MB * 1e6:
                ready.append(batch)
            yield batch
        if size <= KEPT_MB * 1e6:
            self.kept = ready

    def named(self, values: dict[str, float]) -> dict[str, float]:
        """Validation's terms with the one that chooses as `criterion`."""
        if self.metric != "auto":
            if self.metric not in values:
                raise PushforwardError(
                    f"selection.metric={self.metric}: this model validates {', '.join(sorted(values))}; "
                    f"choose one of them, auto, fd_lenet or none"
                )
            values["criterion"] = values[self.metric]
        return values

    def samples(self, family: Family, data: DataModule) -> dict[str, float]:
        self.check(family, self.features)
        shown, own = as_images(family, data)
        assert isinstance(shown, Samples) and self.features is not None
        real = raw_images(own, "val", FD_IMAGES)
        fake = shown.sample(len(real), generator(family.device, family.seed, "selection"))
        value = frechet_distance_of(self.features(fake.float()), self.features(real))
        return {"criterion": value if math.isfinite(value) else math.inf}


def measure(
    engine: Engine, families: Sequence[Family], selectors: Sequence[Selector], data: Sequence[DataModule]
) -> list[dict[str, float]]:
    """For each family of an engine validation's terms, with EMA weights where there are any; `criterion` chooses.

    Where samples choose, or metrics are asked for while training, each is measured by itself; terms come in one pass.
    """
    lead, training = selectors[0], families[0].training
    chooses = lead.chooses(families[0], data[0])
    values: list[dict[str, float]] = [{} for _ in families]
    if not chooses and lead.during is None:
        return values
    for family in families:
        family.eval()
    engine.swap()
    with torch.no_grad(), as_precise_as(families[0]):
        every = list(zip(values, families, selectors, data, strict=True))
        for own, family, selector, its in every:
            if selector.during is not None:
                own.update(selector.during(family, its))
            if chooses and lead.metric.startswith("fd_"):
                own.update(selector.samples(family, its))
        if chooses and not lead.metric.startswith("fd_"):
            for own, terms in zip(values, lead.terms(engine, families[0], data[0]), strict=True):
                own.update(terms)
    engine.swap()
    for family in families:
        family.train(training)
    return values
