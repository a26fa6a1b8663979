"""Samplers of one trained diffusion side by side: the Fréchet distance of what each draws in so many steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from pushforward.diffusion import Sampler
from pushforward.domains import Count
from pushforward.errors import PushforwardError
from pushforward.families import TakesOtherSamplers
from pushforward.families.capabilities import Draw
from pushforward.metrics.sample import protocol_size
from pushforward.protocol.feature_sets import OWN, FeatureSets, parts
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import NotApplicable, Subject


@dataclass(frozen=True)
class Samplers(Measure):
    """`fd_<features>_<sampler>_<steps>` of `images` samples of each of `samplers` with each number of `steps`, at the most so
    many calls of the network; of what can be sampled in several ways, and of all others nothing.

    Every number is of the same noise at the beginning, and of as many images as measure=samples would take.
    """

    order = 55
    of_images = True
    images: Count
    samplers: Mapping[str, Sampler]
    steps: Sequence[Count]

    def numbers(self, subject: Subject) -> Sequence[Number]:
        if not isinstance(subject.family, TakesOtherSamplers):
            return ()
        features = "lenet" if subject.features is None else subject.features.name
        return [Number(f"fd_{features}_{way}", "feature²", "lower") for way, _, _ in self.ways()]

    def ways(self) -> list[tuple[str, Sampler, int]]:
        """Name, sampler and steps of each number."""
        return [(f"{name}_{n}", sampler, n) for name, sampler in self.samplers.items() for n in self.steps]

    def values(self, subject: Subject) -> Mapping[str, Value | NotApplicable]:
        family = subject.need(TakesOtherSamplers, "it is sampled in one way alone")
        n = protocol_size(subject.size(subject.split), subject.size("train"), self.images)
        (part,) = parts(1, 2)["frechet"]
        found: dict[str, Value | NotApplicable] = {}
        for number, (way, sampler, steps) in zip(self.numbers(subject), self.ways(), strict=True):
            draw = family.sampled_by(sampler, steps)
            if draw is None:
                raise NotApplicable("its process is sampled in one way alone")
            sets = FeatureSets(subject, n, {way: partial(self.drawn, subject, draw, n)})
            card = {"n": n, "sampler": f"{sampler.describe()}, {steps} evaluations at most", **subject.extractor.card}
            try:
                (distance,) = part.of(sets, way)
                found[number.name] = value(distance.value, **distance.card, **card)
            except (NotApplicable, PushforwardError) as reason:
                found[number.name] = NotApplicable(str(reason), **card)
            sets.forget(way)
        return found

    def drawn(self, subject: Subject, draw: Draw, n: int) -> Tensor:
        """n draws, as features take them, of the same noise as the samples of the own prior."""
        return subject.levelled(subject.drawn(draw, n, OWN, []))
