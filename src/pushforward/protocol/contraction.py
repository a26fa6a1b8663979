"""The slope of an encoder: how far a code moves where an image changes a little."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pushforward.distributions.input_gradient import squared_slopes
from pushforward.domains import Count
from pushforward.families import Encodes
from pushforward.metrics.likelihood import estimate
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import Subject


@dataclass(frozen=True)
class Contraction(Measure):
    """`encoder_slope`, the mean ‖∂z/∂x‖_F over `images` of the split, by one product a unit. Rifai et al. 2011, sec. 5."""

    order = 105
    images: Count

    def numbers(self, subject: Subject) -> Sequence[Number]:
        return (Number("encoder_slope", "code / pixel", "lower"),)

    def values(self, subject: Subject) -> Mapping[str, Value]:
        encode = subject.need(Encodes, "this family has no encoder").encode
        x = subject.x(n=self.images)
        slopes = estimate(subject.batched(lambda part: squared_slopes(encode, part).sqrt(), x))
        return {"encoder_slope": value(slopes.value, n=slopes.n, standard_error=slopes.standard_error)}
