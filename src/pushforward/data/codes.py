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
        levels = self.origin.levels
        return Arrays(
            train=train,
            val=val,
            test=test,
            levels=levels,
            n_classes=images.arrays.n_classes,
            class_names=images.arrays.class_names,
            low=-math.inf if levels is None else 0.0,
            high=math.inf if levels is None else 1.0,
            notes=(f"codes of {self.origin.run}, of images as they are evaluated; samples are decoded by it",),
        )


class CodesModule(DataModule):
    """Codes of the run `run`, standardised: vectors by unit, maps by channel. Splits and labels are those of its images.

    indices: of codes that take few values at each place of a map, the values' numbers, as levels of one channel.
    A run's config names the run; whoever builds the data attaches it.
    """

    def __init__(
        self, run: str, batch_size: Count, limit: Count | None = None, name: str | None = None, indices: bool = False
    ) -> None:
        super().__init__(
            CodesOf(run), batch_size, validation=0, test=0, limit=limit, standardize=not indices, name=name
        )

    def attach(self, origin: Origin) -> None:
        assert isinstance(self.source, CodesOf)
        self.source, self.origin = replace(self.source, origin=origin), origin

    @property
    def about(self) -> dict[str, Any]:
        """The part of cards on the data: those of the images, and that it is their codes that are modelled."""
        assert self.origin is not None
        return {"data": self.origin.data.card, "modelled": f"codes of {self.origin.run}"}
