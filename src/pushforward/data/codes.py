"""Codes of another run as data: what its encoder makes of its images, split as these are."""

import math
from dataclasses import dataclass, replace
from typing import Any

from pushforward.data.module import DataModule, Origin
from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.domains import Count
from pushforward.errors import PushforwardError


@dataclass(frozen=True)
class CodesOf(Source):
    """The codes that a trained encoder gives of each split; None as long as no encoder is at hand."""

    run: str
    origin: Origin | None = None
    name = "codes"

    def load(self) -> Arrays:
        if self.origin is None:
            raise PushforwardError(f"data.run={self.run}: these data are made by a run; build them from a run's config")
        images = self.origin.data
        train, val, test = (Split(self.origin.codes(name), images.labels(name)) for name in ("train", "val", "test"))
        return Arrays(
            train=train,
            val=val,
            test=test,
            levels=None,
            n_classes=images.arrays.n_classes,
            class_names=images.arrays.class_names,
            low=-math.inf,
            high=math.inf,
            notes=(f"codes of {self.origin.run}, of images as they are evaluated; samples are decoded by it",),
        )


class CodesModule(DataModule):
    """Codes of the run `run`, standardised: vectors by unit, maps by channel. Splits and labels are those of its images.

    A run's config names the run; whoever builds the data attaches it.
    """

    def __init__(self, run: str, batch_size: Count, limit: Count | None = None, name: str | None = None) -> None:
        super().__init__(CodesOf(run), batch_size, validation=0, test=0, limit=limit, standardize=True, name=name)

    def attach(self, origin: Origin) -> None:
        assert isinstance(self.source, CodesOf)
        self.source, self.origin = replace(self.source, origin=origin), origin

    @property
    def about(self) -> dict[str, Any]:
        """The part of cards on the data: those of the images, and that it is their codes that are modelled."""
        assert self.origin is not None
        return {"data": self.origin.data.card, "modelled": f"codes of {self.origin.run}"}
