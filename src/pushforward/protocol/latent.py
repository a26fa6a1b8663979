"""Is the latent space whole? What its prior, or a density fitted to its codes, decodes to, beside what real codes do."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pushforward.domains import Count
from pushforward.families import Decodes, Encodes, Reconstructs
from pushforward.metrics.sample import frechet_distance_of
from pushforward.protocol.holes import Surroundings, attempt, decoded
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.plane import Plane
from pushforward.protocol.subject import NotApplicable, Subject

OWN = "own"
MAIN = ("gaussian",)
"""Densities whose share off the manifold stands in a table that names no columns."""
SIDE, COARSE = 60, 25
"""Grid points across the map of a code of two units, and of the widest plane of one of more."""
SHOWN = 2000
"""Images whose codes stand in the map."""


@dataclass(frozen=True)
class LatentSpace(Measure):
    """latent_gap: Fréchet distance of decoded draws to decoded codes of held-out images, feature²; its floor is that of
    decoded codes of training images.

    off_manifold: share of decoded draws outside the k-NN balls about training images. Each from the prior that the
    family was trained with, and `_NAME` from each density over codes. off_manifold_codes: of decoded codes.
    images: on each side, at most. densities: names, all of the subject's where None; they are fitted to codes of at most
    `most_units` units, for a bijection's are as many as its pixels. worst: images shown of the holes.
    """

    order = 80
    of_images = True
    images: Count
    k: Count
    densities: list[str] | None
    most_units: Count
    worst: Count

    def numbers(self, subject: Subject) -> Sequence[Number]:
        names, decodes = self.chosen(subject), isinstance(subject.family, Decodes)
        if not isinstance(subject.family, Encodes) and not decodes:
            names = []  # neither codes nor a latent space: its samples alone are held against the manifold
        gaps = [tail(name) for name in (OWN, *names) if name != OWN or decodes]
        return (
            *(Number(f"latent_gap{end}", "feature²", "lower") for end in gaps),
            *(Number(f"off_manifold{tail(name)}", "share", "lower", main=name in MAIN) for name in (OWN, *names)),
            *([Number("off_manifold_codes", "share", "lower")] if names else []),
        )

    def values(self, subject: Subject) -> dict[str, Value | NotApplicable]:
        around = Surroundings(subject, self.images, self.k)
        wanted = [number.name for number in self.numbers(subject)]
        values: dict[str, Value | NotApplicable] = {}
        if "off_manifold_codes" in wanted:
            values["off_manifold_codes"] = attempt(partial(self.codes, around))
        for name in (OWN, *self.chosen(subject)):
            gap, off = f"latent_gap{tail(name)}", f"off_manifold{tail(name)}"
            if gap in wanted:
                values[gap] = attempt(partial(self.gap, around, name))
            if off in wanted:
                values[off] = attempt(partial(self.draws_off, around, name))
        self.show(around, self.chosen(subject))
        return values

    def check(self, subject: Subject) -> None:
        self.chosen(subject)

    def chosen(self, subject: Subject) -> list[str]:
        """The densities that are measured. Raises PushforwardError where there is none of a name."""
        names = list(subject.densities) if self.densities is None else list(self.densities)
        for name in names:
            subject.check_density(name, "metrics.latent.densities")
        return names

    def draws(self, around: Surroundings, name: str) -> Tensor:
        """Features of n decoded draws from a density."""
        subject = around.subject
        if name != OWN and (units := subject.codes("train", 1).shape[1]) > self.most_units:
            raise NotApplicable(f"densities are fitted to codes of at most {self.most_units} units, these have {units}")
        key = ("features", "samples", name, around.n)
        return subject.once(key, lambda: around.featured(subject.samples(around.n, name)))

    def decoded_codes(self, around: Surroundings, split: str | None = None) -> Tensor:
        """Features of decoded codes of a split's images, of held-out ones unless another is named."""
        subject, split = around.subject, split or around.subject.split
        key = ("features", "decoded codes", split, around.n)
        return subject.once(key, lambda: around.featured(decoded(subject, subject.codes(split, around.n))))

    def codes(self, around: Surroundings) -> Value:
        return around.off(self.decoded_codes(around), sampler="decoded codes of held-out images")

    def draws_off(self, around: Surroundings, name: str) -> Value:
        return around.off(self.draws(around, name), sampler=around.subject.described(name))

    def gap(self, around: Surroundings, name: str) -> Value:
        subject, codes = around.subject, self.decoded_codes(around)
        distance = frechet_distance_of(self.draws(around, name), codes)
        real = partial(self.decoded_codes, around, "train")
        floor = subject.once(
            ("latent gap floor", around.n), lambda: frechet_distance_of(real(), codes)
        )  # for all densities
        card = {"n": around.n, "sampler": subject.described(name), "floor": floor, **around.features.card}
        return value(distance, against="decoded codes of held-out images", **card)

    # Pictures ---------------------------------------------------------------------------------------------------------

    def show(self, around: Surroundings, names: list[str]) -> None:
        """Keeps the draws farthest off the manifold beside their nearest training images, and the map of the codes' plane."""
        subject = around.subject
        coded = isinstance(subject.family, Encodes) and isinstance(subject.family, Decodes)
        if isinstance(subject.family, Reconstructs):
            with suppress(NotApplicable):
                subject.keep("holes_map", self.plane(around))
        name = "gaussian" if "gaussian" in names and coded else OWN
        try:
            far = around.remoteness(self.draws(around, name))
            worst = far.ratio.argsort(descending=True)[: self.worst].cpu()
            training = subject.raw("train", around.n_train)
            shown = {"fakes": subject.samples(around.n, name)[worst], "nearest": training[far.nearest.cpu()[worst]]}
            subject.keep("holes", {**shown, "ratio": far.ratio.cpu()[worst]})
        except NotApplicable:
            return  # nothing to show: its entries say why

    def plane(self, around: Surroundings) -> dict[str, Any]:
        """ratio over the plane of the codes: how far off the manifold it decodes to, rows upwards; extent; codes over it."""
        subject = around.subject
        shown = next(iter(subject.data.batches(subject.split, size=SHOWN, limit=SHOWN))).x
        codes = subject.batched(subject.need(Encodes, "this family has no encoder").encode, shown)
        plane, dimensions = Plane.of(codes), codes.shape[1]
        side = SIDE if dimensions == 2 else COARSE
        ratio = around.remoteness(around.featured(decoded(subject, plane.grid(side)))).ratio.cpu().view(side, side)
        at = plane.coordinates(codes)
        return {"ratio": ratio, "extent": plane.extent, "codes": at, "dimensions": torch.tensor(dimensions)}


def tail(density: str) -> str:
    """The end of a number's name."""
    return "" if density == OWN else f"_{density}"
