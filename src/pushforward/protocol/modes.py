"""Samples and densities of the plane against the truth: modes, Wasserstein distances, KL by quadrature; modes of stacks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from pushforward.domains import Count, NonNegative
from pushforward.errors import PushforwardError
from pushforward.families import HasLikelihood, IterativeLikelihood, LogProb
from pushforward.metrics import transport
from pushforward.metrics.kl_quadrature import Quadrature, kl_by_quadrature
from pushforward.metrics.modes import NEAR, high_quality_of_truth, mode_coverage, stack_coverage
from pushforward.protocol.features import lenet
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import NotApplicable, Subject

MODES = {"modes_found": "found", "high_quality": "high_quality", "reverse_kl_modes": "reverse_kl"}
"""Number -> its name in `mode_coverage`."""
OF_MODES = (
    Number("modes_found", "modes", "higher", main=True), Number("high_quality", "share", "higher", main=True),
    Number("reverse_kl_modes", "nats", "lower"),
)  # fmt: skip
OF_STACKS = (
    Number("modes_found", "modes", "higher", main=True),
    Number("reverse_kl_modes", "nats", "lower", main=True),
)
DENSE = Number("high_quality", "share", "higher", main=True)
TRANSPORT = (Number("w1", "distance", "lower"), Number("w2", "distance", "lower", main=True))
DIVERGENCES = (Number("kl_forward", "nats", "lower"), Number("kl_reverse", "nats", "lower"))
PARTS: tuple[Literal["modes", "transport", "divergences"], ...] = ("modes", "transport", "divergences")
PART = 16_384
"""Points whose density is asked for at once."""


@dataclass(frozen=True)
class Modes(Measure):
    """Of data whose density is known, in the plane, and of stacks of grey images; of all others nothing.

    `modes_found`, `high_quality` (share), `reverse_kl_modes` (nats) of `samples` samples, where the data have separate
    modes; where they have none `high_quality` is the share in the region of highest density that holds as much of the data
    as 3 σ do of a mode; `w1`, `w2` (in the data's unit) between `samples` samples and as many test points; `kl_forward`
    KL(data ‖ model) and `kl_reverse` KL(model ‖ data), nats, by quadrature on at most `cells` cells (`costly_cells` where
    each costs many evaluations of a network). parts: which of these are measured. density: "own" or one over codes. In every
    card `floor`: what as many training points score.

    Of stacks, `modes_found` and `reverse_kl_modes` of `stacked_samples` samples (`costly_stacked_samples` where each costs
    many evaluations), each channel's class told by a classifier. Lin et al. 2018 (PacGAN), sec. 4.2.
    """

    order = 70
    samples: Count
    cells: Count
    costly_cells: Count
    margin: NonNegative
    density: str
    stacked_samples: Count = 26_000
    costly_stacked_samples: Count = 2500
    parts: tuple[Literal["modes", "transport", "divergences"], ...] = PARTS

    def numbers(self, subject: Subject) -> Sequence[Number]:
        if subject.data.arrays.channels_of is not None and subject.data.origin is None:
            return OF_STACKS
        if subject.data.log_density is None:
            return ()
        modes = (DENSE,) if subject.data.arrays.modes is None else OF_MODES
        return tuple(
            number
            for part, own in zip(PARTS, (modes, TRANSPORT, DIVERGENCES), strict=True)
            if part in self.parts
            for number in own
        )

    def check(self, subject: Subject) -> None:
        if self.density != "own":
            subject.check_density(self.density, "metrics.modes.density")

    def values(self, subject: Subject) -> dict[str, Value | NotApplicable]:
        if subject.data.arrays.channels_of is not None:
            return {**self._stacks(subject, subject.data.arrays.channels_of)}
        sampled = [number for number in self.numbers(subject) if number not in DIVERGENCES]
        n = min(self.samples, subject.size(subject.split), subject.size("train"))
        try:
            values: dict[str, Value | NotApplicable] = {**self._samples(subject, n)}
        except NotApplicable as reason:
            values = {number.name: NotApplicable(str(reason), n=n) for number in sampled}
        if "divergences" not in self.parts:
            return values
        try:
            return values | self._quadrature(subject)
        except NotApplicable as reason:
            return values | {number.name: reason for number in DIVERGENCES}

    def _samples(self, subject: Subject, n: int) -> dict[str, Value]:
        test, train = subject.x(n=n), subject.x("train", n)
        fake, how = subject.samples(n, self.density), subject.described(self.density)
        values, floors = self._scores(subject, fake, test), self._scores(subject, train, test)
        more, wanted = self._cards(subject), {number.name for number in self.numbers(subject)}
        return {
            name: value(values[name], n=n, sampler=how, floor=floors[name], **more.get(name, {}))
            for name in values
            if name in wanted
        }

    def _scores(self, subject: Subject, x: Tensor, test: Tensor) -> dict[str, float]:
        arrays, found = subject.data.arrays, {}
        if arrays.modes is not None and arrays.mode_width is not None:
            coverage = mode_coverage(x, arrays.modes, arrays.mode_width)
            found = {name: coverage[key] for name, key in MODES.items()}
        elif subject.data.log_density is not None:
            found["high_quality"] = share_within(subject.data.log_density, x, test, high_quality_of_truth(x.shape[1]))
        return {**found, "w1": transport.wasserstein(x, test, 1), "w2": transport.wasserstein(x, test, 2)}

    def _cards(self, subject: Subject) -> dict[str, dict[str, Any]]:
        """The settings on which the numbers of each column depend, beside the samples."""
        exact: dict[str, Any] = {"kind": "exact optimal transport between samples and test points"}
        cards = {"w1": exact, "w2": exact}
        modes, width = subject.data.arrays.modes, subject.data.arrays.mode_width
        if modes is not None:
            own = {"modes": len(modes), "mode_width": width, "near": f"{NEAR:g} σ of the nearest mode"}
            perfect = {"modes_found": len(modes), "high_quality": high_quality_of_truth(modes.shape[1])}
            cards |= {name: {**own, **({"perfect": perfect[name]} if name in perfect else {})} for name in MODES}
        return cards

    def _stacks(self, subject: Subject, grey: str) -> dict[str, Value]:
        """Modes of stacked grey images, as the classifier that comes with the package for the data set `grey` tells them."""
        classifier = lenet.load(lenet.shipped(grey), "shipped").to(subject.device)
        n = min(self.costly_stacked_samples if subject.iterative else self.stacked_samples, subject.size("train"))
        samples = subject.levelled(subject.samples(n, self.density))
        real = subject.data.raw_levels("train", n).float() / 255
        found, floor = (stack_coverage(classifier.logits, x) for x in (samples, real))
        about = {
            "sampler": subject.described(self.density), "modes": subject.data.arrays.n_classes,
            "kind": f"classes of {samples.shape[1]} channels by lenet of {grey}", "features_hash": classifier.hash,
            "features_accuracy": classifier.accuracy,
        }  # fmt: skip
        return {
            number.name: value(found[key], n=n, floor=floor[key], **about)
            for number in OF_STACKS
            for key in [MODES[number.name]]
        }

    # Densities --------------------------------------------------------------------------------------------------------

    def _quadrature(self, subject: Subject) -> dict[str, Value | NotApplicable]:
        found, card = self._grid(subject)

        def divergence(size: float, change: float, reason: str | None) -> Value | NotApplicable:
            if reason is None and size == math.inf:
                reason = "infinite: one of the two has mass where the other has none"
            return value(size, last_change=change, **card) if reason is None else NotApplicable(reason, **card)

        return {
            "kl_forward": divergence(found.forward, found.change_forward, found.doubt(reverse=False)),
            "kl_reverse": divergence(found.reverse, found.change_reverse, found.doubt(reverse=True)),
        }

    def _grid(self, subject: Subject) -> tuple[Quadrature, dict[str, Any]]:
        """Both divergences and their card; raises NotApplicable where the model has no density, or the grid is too coarse."""
        log_p = subject.data.log_density
        assert log_p is not None
        log_prob, kind, evaluations = density_of(subject)
        low, high = self._corners(subject)
        cells = self.costly_cells if subject.iterative else self.cells
        g = subject.generator("quadrature")

        def log_q(x: Tensor) -> Tensor:
            parts = [log_prob(part.float().to(subject.device), g).values.double().cpu() for part in x.split(PART)]
            return torch.cat(parts)

        try:
            found = kl_by_quadrature(log_p, log_q, low, high, cells)
        except PushforwardError as reason:
            setting = "costly_cells" if subject.iterative else "cells"
            raise NotApplicable(f"{reason} (metrics.modes.{setting})") from None
        return found, {
            "kind": f"midpoint rule; the model's density is {kind}", "function_evaluations": evaluations,
            "cells": found.cells, "cell_width": found.width,
            "low": list(low), "high": list(high), "mass_data": found.mass_p, "mass_model": found.mass_q,
        }  # fmt: skip

    def _corners(self, subject: Subject) -> tuple[tuple[int, int], tuple[int, int]]:
        """Whole numbers around all training points with a margin: the same for every model."""
        x = subject.x("train")
        low, high = (x.amin(0) - self.margin).floor().int().tolist(), (x.amax(0) + self.margin).ceil().int().tolist()
        return (low[0], low[1]), (high[0], high[1])


def share_within(log_density: Callable[[Tensor], Tensor], x: Tensor, test: Tensor, mass: float) -> float:
    """The share of x where the density is above what it is at all but 1 − `mass` of the test points."""
    level = log_density(test).double().quantile(1 - mass)
    return float((log_density(x).double() >= level).double().mean())


def density_of(subject: Subject) -> tuple[LogProb, str, int]:
    """log_prob(x, generator) of a density that is no bound, its kind, and its cost in calls of the network.

    Raises NotApplicable where the family has none.
    """
    family = subject.need(HasLikelihood, "this family has no likelihood")
    ways: list[LogProb] = [family.log_prob]
    if isinstance(family, IterativeLikelihood) and family.flow_log_prob is not None:
        ways.append(family.flow_log_prob)
    for log_prob in ways:
        found = log_prob(subject.x(n=2).to(subject.device), subject.generator("quadrature"))
        if found.kind in ("exact", "estimate"):
            return log_prob, "exact" if found.kind == "exact" else f"an {found.kind}", found.evaluations
    raise NotApplicable(f"its likelihood is a {found.kind}, no density to integrate")
