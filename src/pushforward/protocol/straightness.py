"""Straightness of the paths from noise to data: how few steps a sampler may take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pushforward.domains import Count
from pushforward.families import FollowsPaths
from pushforward.families.capabilities import Paths
from pushforward.metrics.paths import straightness
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import Subject


@dataclass(frozen=True)
class Straightness(Measure):
    """`straightness`, ∫₀¹ E‖(z₁ − z₀) − dz/dt‖² dt over so many `paths` of a flow, as a share of E‖z₁ − z₀‖²; 0: straight."""

    order = 72
    paths: Count

    def numbers(self, subject: Subject) -> Sequence[Number]:
        return () if paths_of(subject) is None else (Number("straightness", "of ‖z₁ − z₀‖²", "lower"),)

    def values(self, subject: Subject) -> Mapping[str, Value]:
        draw, family = paths_of(subject), subject.need(FollowsPaths, "this family follows no paths")
        assert draw is not None
        n = subject.affordable(self.paths)
        bent, way = straightness(draw(n, subject.generator("paths")).flatten(2).cpu())
        return {"straightness": value(bent / way, n=n, squared_way=way, sampler=family.sampler)}


def paths_of(subject: Subject) -> Paths | None:
    """A family's paths; None where it follows none."""
    return subject.family.paths if isinstance(subject.family, FollowsPaths) else None
