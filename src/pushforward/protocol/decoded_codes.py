"""Images decoded from codes of held-out images: as they are, and half-way between two."""

from collections.abc import Callable

import torch
from torch import Tensor

from pushforward.metrics.paths import linear
from pushforward.protocol.holes import decoded
from pushforward.protocol.subject import MEASURE_SEED, Subject
from pushforward.seeds import generator

DECODED = {
    "reconstruction": "decoded codes of held-out images",
    "interpolation": "half-way between codes of held-out images",
}
"""Name of a set -> what it is, as a card says."""


def sets_of_decoded(subject: Subject, n: int) -> dict[str, Callable[[], Tensor]]:
    """n images of each set by name. Ghosh et al. 2020, table 1 (RAE): of reconstructions, and of points between two of them.

    Each of the n held-out images is in two pairs, chosen once for all runs on the same data.
    """

    def codes() -> Tensor:
        return subject.codes(subject.split, n)

    def between() -> Tensor:
        z = codes()
        order = torch.randperm(len(z), generator=generator("cpu", MEASURE_SEED, "pairs of codes"))
        return linear(z[order], z[order.roll(1)], torch.tensor([0.5]))[:, 0]

    return {
        "reconstruction": lambda: subject.levelled(decoded(subject, codes())),
        "interpolation": lambda: subject.levelled(decoded(subject, between())),
    }
