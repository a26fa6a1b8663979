"""Couplings: which noise is paired with which image, where the pairs are not independent."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from pushforward.domains import Count
from pushforward.parallel import gather_batch, world

MANY = 256
"""Images of a batch from which the network simplex pairs them."""


@torch.library.custom_op("pushforward::assignment", mutates_args=())
def assignment(cost: Tensor) -> Tensor:
    """The columns π(i), (*k, n), of least Σᵢ cost[i, π(i)], of costs (*k, n, n).

    An operator of torch, so that steps with it can be recorded and stacked.
    """
    flat = cost.detach().cpu().double().reshape(-1, *cost.shape[-2:])
    columns = [torch.from_numpy(assigned(one.numpy())) for one in flat]
    return torch.stack(columns).reshape(cost.shape[:-1]).to(cost.device)


def assigned(cost: np.ndarray) -> np.ndarray:
    """The columns of one cost (n, n): Jonker & Volgenant 1987 as scipy has it; of many, the network simplex of POT.

    Both are exact. At n = 512 the second takes half the time for points of the plane; for images it takes longer, by little
    beside what their networks take.
    """
    n = len(cost)
    if n >= MANY and np.isfinite(cost).all():
        import ot

        columns = ot.emd(np.full(n, 1 / n), np.full(n, 1 / n), cost, numItermax=10_000_000).argmax(1)
        if len(np.unique(columns)) == n:
            return columns
    return linear_sum_assignment(cost)[1]


@assignment.register_fake
def _(cost: Tensor) -> Tensor:
    return cost.new_empty(cost.shape[:-1], dtype=torch.int64)


@assignment.register_vmap
def _(info: Any, in_dims: tuple[int | None], cost: Tensor) -> tuple[Tensor, int]:
    assert in_dims[0] is not None
    return assignment(cost.movedim(in_dims[0], 0)), 0


class OptimalTransport(nn.Module):
    """Noise paired with the images of a batch by exact optimal transport at the cost ‖x − ε‖². Tong et al. 2024, sec. 3.

    Images of different labels are never exchanged: otherwise noise would tell of the label that the model is told, and a
    sample under a label y would begin where training under y never did. Of several processes the global batch is paired.
    """

    couples_batch: ClassVar[bool] = True

    def forward(
        self, x: Float[Tensor, " n *shape"], noise: Float[Tensor, " n *shape"], labels: Int[Tensor, " n"] | None
    ) -> Float[Tensor, " n *shape"]:
        """The noise in the order of its images. labels: as the model is told them."""
        images, drawn = gather_batch(x), gather_batch(noise)
        # of ‖x − ε‖² = ‖x‖² + ‖ε‖² − 2x·ε the last alone depends on the pairing
        cost = -images.flatten(1) @ drawn.flatten(1).mT
        if labels is not None:
            y = gather_batch(labels)
            cost = cost.masked_fill(y[:, None] != y, torch.inf)
        start = world()[0] * len(x)
        return drawn[assignment(cost)[start : start + len(x)]]


@dataclass(frozen=True)
class Reflow:
    """The pairs that a trained flow is asked for: how many, with so many calls of the field each. Liu, Gong & Liu 2023."""

    pairs: Count
    evaluations: Count


class Pairs(NamedTuple):
    """Noise, the ends of its paths, (n, *shape), centred, and the labels they were drawn under, (n,), where there are any."""

    noise: Tensor
    ends: Tensor
    labels: Tensor | None

    def chosen(self, rows: Int[Tensor, " m"]) -> dict[str, Tensor]:
        """Rows of them, as a step's noise."""
        found = {"noise": self.noise[rows], "end": self.ends[rows]}
        return found if self.labels is None else {**found, "label": self.labels[rows]}

    def to(self, device: torch.device, dtype: torch.dtype) -> "Pairs":
        labels = None if self.labels is None else self.labels.to(device)
        return Pairs(self.noise.to(device, dtype), self.ends.to(device, dtype), labels)
