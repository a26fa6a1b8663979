"""Interpolation between two codes: whether it looks like data, and how evenly it changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor

from pushforward.domains import Count, Domain
from pushforward.families import Encodes
from pushforward.metrics.paths import KINDS, PathLength
from pushforward.protocol.holes import Surroundings, attempt, decoded
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import MEASURE_SEED, NotApplicable, Subject
from pushforward.seeds import generator

AT_ONCE = 1000
"""Points on paths that are decoded at once."""


TAILS = {kind: "" if kind == "linear" else f"_{kind}" for kind in KINDS}
SPACES = {"features": "", "pixels": "_pixels"}
UNITS = {"path_length": "× straight", "path_roughness": "largest step / mean"}


@dataclass(frozen=True)
class Interpolation(Measure):
    """off_manifold_midpoints: share of decoded midpoints outside the k-NN balls about training images.

    path_length: of decoded ways, times the straight one; path_roughness: largest step over the mean one; in features,
    and `_pixels`. Along straight lines, and `_spherical` about the origin, between codes of held-out images of which
    each is in one pair, or draws of the prior where a family only decodes.
    images: training images that make the manifold. pairs: midpoints, at most. paths: of these with `steps` steps.
    rows: paths that are shown.
    """

    order = 90
    of_images = True
    images: Count
    k: Count
    pairs: Count
    paths: Count
    steps: Annotated[int, Domain(2)]
    rows: Count

    def numbers(self, subject: Subject) -> Sequence[Number]:
        midpoints = [Number(f"off_manifold_midpoints{tail}", "share", "lower") for tail in TAILS.values()]
        along = [
            Number(f"{name}{tail}{end}", unit, "lower")
            for name, unit in UNITS.items()
            for tail in TAILS.values()
            for end in SPACES.values()
        ]
        return midpoints + along

    def values(self, subject: Subject) -> dict[str, Value | NotApplicable]:
        a, b, between = self.ends(subject)
        values: dict[str, Value | NotApplicable] = {}
        for kind, tail in TAILS.items():
            card = {"interpolation": kind, "codes": between}
            values[f"off_manifold_midpoints{tail}"] = attempt(partial(self.midpoints, subject, kind, a, b, card))
            for space, end in SPACES.items():
                walked = self.walked(subject, kind, space, a[: self.paths], b[: self.paths], card)
                values |= {f"{name}{tail}{end}": found for name, found in walked.items()}
        self.show(subject, a[: self.rows], b[: self.rows])
        return values

    def ends(self, subject: Subject) -> tuple[Tensor, Tensor, str]:
        """Codes (n, d) where paths begin and end, and what they are. The same pairs for every run on the same data."""
        subject.decoder()
        if isinstance(subject.family, Encodes):
            n = min(self.pairs, subject.size(subject.split) // 2)
            if n < 1:
                raise NotApplicable(f"one image in the {subject.split} split makes no pair")
            codes = subject.codes(subject.split, 2 * n)
            codes = codes[torch.randperm(2 * n, generator=generator("cpu", MEASURE_SEED, "pairs"))]
            return codes[:n], codes[n:], f"of {subject.split} images"
        prior = subject.prior
        if prior is None:
            raise NotApplicable("this family has neither codes nor a prior")
        codes = prior.sample(2 * self.pairs, subject.generator("pairs")).cpu()
        return codes[: self.pairs], codes[self.pairs :], f"draws from {prior.describe()}"

    def midpoints(self, subject: Subject, kind: str, a: Tensor, b: Tensor, card: dict[str, Any]) -> Value:
        around = Surroundings(subject, self.images, self.k)
        middle = KINDS[kind](a, b, torch.tensor([0.5]))[:, 0]
        return around.off(around.featured(decoded(subject, middle)), **card)

    def walked(
        self, subject: Subject, kind: str, space: str, a: Tensor, b: Tensor, card: dict[str, Any]
    ) -> Mapping[str, Value | NotApplicable]:
        """Length and roughness of decoded paths in one space."""
        if space == "features" and subject.features is None:
            return dict.fromkeys(UNITS, NotApplicable("no features"))
        metric = PathLength()
        for i, x in enumerate(self.ways(subject, kind, a, b)):
            key = ("path features", kind, len(a), self.steps, i)
            flat = x.flatten(2) if space == "pixels" else subject.once(key, partial(featured, subject, x))
            metric.update(flat.cpu())
        got = metric.compute()
        about = {**card, "n": len(a), "path_steps": self.steps, "space": space}
        about |= subject.extractor.card if space == "features" else {}
        return {
            name: value(got[key], standard_error=float(got[f"{key}_error"]), **about)
            for name, key in (("path_length", "length"), ("path_roughness", "roughness"))
        }

    def ways(self, subject: Subject, kind: str, a: Tensor, b: Tensor) -> list[Tensor]:
        """Decoded paths in parts, (n, steps + 1, *shape) each."""
        t = torch.linspace(0, 1, self.steps + 1)
        size = max(1, AT_ONCE // len(t))

        def walk() -> list[Tensor]:
            paths = [KINDS[kind](p, q, t) for p, q in zip(a.split(size), b.split(size), strict=True)]
            return [decoded(subject, path.flatten(0, 1)).unflatten(0, path.shape[:2]) for path in paths]

        return subject.once(("paths", kind, len(a), self.steps), walk)

    def show(self, subject: Subject, a: Tensor, b: Tensor) -> None:
        """Keeps a few paths along straight lines, and which of their points are off the manifold."""
        try:
            around = Surroundings(subject, self.images, self.k)
            t = torch.linspace(0, 1, 11)
            x = decoded(subject, KINDS["linear"](a, b, t).flatten(0, 1))
            ratio = around.remoteness(around.featured(x)).ratio.cpu().view(-1, len(t))
        except NotApplicable:
            return
        subject.keep("holes_interpolation", {"x": x.unflatten(0, ratio.shape), "ratio": ratio})


def featured(subject: Subject, x: Tensor) -> Tensor:
    return subject.extractor(subject.levelled(x.flatten(0, 1))).unflatten(0, x.shape[:2])
