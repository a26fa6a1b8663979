"""Straightness of the paths from noise to data, how few steps a sampler may take; and the paths' energy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pushforward.domains import Count
from pushforward.families import FollowsPaths
from pushforward.families.capabilities import Paths
from pushforward.metrics.likelihood import estimate
from pushforward.metrics.paths import path_energy, straightness
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import Subject


@dataclass(frozen=True)
class Straightness(Measure):
    """`straightness`, ∫₀¹ E‖(z₁ − z₀) − dz/dt‖² dt over so many `paths` of a flow, as a share of E‖z₁ − z₀‖²; 0: straight.

    `path_energy`, ∫₀¹ E‖dz/dt‖² dt, in squared units of the data as the model has them: least, W2² from noise to data, where
    each path is straight and no other pairs of ends are nearer.
    """

    order = 72
    paths: Count

    def numbers(self, subject: Subject) -> Sequence[Number]:
        if paths_of(subject) is None:
            return ()
        return Number("straightness", "of ‖z₁ − z₀‖²", "lower"), Number("path_energy", "distance²", "lower")

    def values(self, subject: Subject) -> Mapping[str, Value]:
        draw, family = paths_of(subject), subject.need(FollowsPaths, "this family follows no paths")
        assert draw is not None
        n = subject.affordable(self.paths)
        z = draw(n, subject.generator("paths")).flatten(2).cpu()
        bent, way = straightness(z)
        energy = estimate(path_energy(z))
        return {
            "straightness": value(bent / way, n=n, squared_way=way, sampler=family.sampler),
            "path_energy": value(energy.value, n=n, standard_error=energy.standard_error, sampler=family.sampler),
        }


def paths_of(subject: Subject) -> Paths | None:
    """A family's paths; None where it follows none."""
    return subject.family.paths if isinstance(subject.family, FollowsPaths) else None
