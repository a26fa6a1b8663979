"""Which weights are the best: a named validation value, lower is better, measured on the validation split alone."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from pushforward.data import DataModule
from pushforward.errors import PushforwardError
from pushforward.families import Family, Samples
from pushforward.metrics.sample import frechet_distance_of
from pushforward.protocol.subject import raw_images
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
    features: Any = None
    during: Callable[[Family, DataModule], dict[str, float]] | None = None
    """Further numbers on the validation split that the metrics ask for while training; they choose nothing."""
    kept: list[Batch] = field(default_factory=list, init=False, repr=False)
    differentiates: bool = field(default=False, init=False)
    """The family's loss takes gradients of its own, which inference mode forbids."""

    def measure(self, family: Family, data: DataModule) -> dict[str, float]:
        """Validation terms, with EMA weights where there are any; `criterion` is what chooses, where anything does."""
        chooses = self.chooses(family, data)
        if not chooses and self.during is None:
            return {}
        assert family.stepper is not None
        was_training = family.training
        family.eval()
        values: dict[str, float] = {}
        with family.stepper.averaged(), torch.no_grad(), as_precise_as(family):
            if self.during is not None:
                values.update(self.during(family, data))
            if chooses:
                values.update(self.samples(family, data) if self.metric.startswith("fd_") else self.terms(family, data))
        family.train(was_training)
        return values

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

    def check(self, family: Family, features: Any) -> None:
        """Raises PushforwardError where samples are to choose and there are none, or no features; features: None if none."""
        if self.metric.startswith("fd_") and (not features or not isinstance(family, Samples)):
            raise PushforwardError(f"selection.metric={self.metric} needs samples and features=lenet; use auto or none")

    def names(self, family: Family, data: DataModule) -> list[str]:
        """The values that validation gives of such a family, those of `during` left out."""
        if not self.chooses(family, data):
            return []
        if self.metric.startswith("fd_"):
            return ["criterion"]
        batch = next(data.batches("val", 2), None)
        if batch is None:
            return []
        with torch.no_grad():
            terms = family.eval().validation_terms(batch, 0)
        return list(self.named(dict.fromkeys(terms, 0.0)))

    def terms(self, family: Family, data: DataModule) -> dict[str, float]:
        """Each term's mean over the validation split; nothing waits for the device before the end."""
        names, sums, count = list[str](), torch.zeros((), dtype=torch.float64), 0
        for position, batch in enumerate(self.batches(family, data)):
            terms = self.judged(family, batch, position)
            means = torch.stack([value.double().mean() for value in terms.values()])
            names, sums, count = list(terms), sums.to(means.device) + means * len(batch.x), count + len(batch.x)
        return self.named(dict(zip(names, (sums / count).tolist(), strict=True)))

    def judged(self, family: Family, batch: Batch, position: int) -> dict[str, torch.Tensor]:
        if not self.differentiates:
            try:
                with torch.inference_mode():
                    return family.validation_terms(batch, position)
            except RuntimeError:  # said again below, if it is about anything else
                self.differentiates = True
        return family.validation_terms(batch, position)

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
        real = raw_images(data, "val", FD_IMAGES)
        fake = family.sample(len(real), generator(family.device, family.seed, "selection"))  # type: ignore[operator]
        value = frechet_distance_of(self.features(fake.float()), self.features(real))
        return {"criterion": value if math.isfinite(value) else math.inf}
