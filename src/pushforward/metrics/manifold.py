"""Samples against the data's manifold, taken as the union of balls that reach each real point's k-th neighbour."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from pushforward.errors import PushforwardError

BLOCK = 1000
"""Rows whose distances to all others are held at once."""


def distances(a: Float[Tensor, "m d"], b: Float[Tensor, "n d"]) -> Float[Tensor, "m n"]:
    """Euclidean distances between all rows, in float32 by one matrix product.

    Centre both on one point first (`centred`): the product loses what the distance is small beside the norms.
    """
    squared = torch.addmm(b.square().sum(1)[None], a, b.T, alpha=-2).add_(a.square().sum(1)[:, None])
    return squared.clamp_(min=0).sqrt_()


def centred(*sets: Float[Tensor, "_ d"]) -> tuple[Tensor, ...]:
    """The sets in float32 about the first one's mean."""
    mean = sets[0].double().mean(0)
    return tuple((x.double() - mean).float() for x in sets)


def radii(x: Float[Tensor, "n d"], k: int, block: int = BLOCK) -> Float[Tensor, " n"]:
    """Distance of each point to its k-th nearest other point, in feature units."""
    if not 1 <= k < len(x):
        raise PushforwardError(f"k={k} nearest neighbours of {len(x)} points: give 1 ≤ k < the number of points.")
    (x,) = centred(x)
    return torch.cat([distances(part, x).topk(k + 1, largest=False).values[:, k] for part in x.split(block)])


def within(
    fake: Float[Tensor, "m d"], real: Float[Tensor, "n d"], radii: Float[Tensor, " n"], block: int = BLOCK
) -> Bool[Tensor, " m"]:
    """Whether each fake lies in at least one real point's ball, shape (m,)."""
    real, fake = centred(real, fake)
    return torch.cat([(distances(part, real) <= radii).any(1) for part in fake.split(block)])


def precision_recall_density_coverage(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], k: int = 5, block: int = BLOCK
) -> dict[str, float]:
    """Shares of fakes on the real manifold and of reals on the fake one; density and coverage of the real balls.

    precision, recall: Kynkäänniemi et al. 2019. density: real balls a fake lies in, over k, mean; 1 where both are equal
    in distribution. coverage: share of real balls that hold a fake. Naeem et al. 2020.
    """
    real, fake = centred(real, fake)
    real_radii, fake_radii = radii(real, k, block), radii(fake, k, block)
    held, on_fake = torch.zeros(len(real), dtype=torch.bool, device=real.device), torch.zeros_like(real_radii) > 1
    balls, on_real = 0, 0
    for part in range(0, len(fake), block):
        rows = slice(part, part + block)
        d = distances(fake[rows], real)
        inside = d <= real_radii
        balls += int(inside.sum())
        on_real += int(inside.any(1).sum())
        held |= inside.any(0)
        on_fake |= (d <= fake_radii[rows, None]).any(0)
    return {
        "precision": on_real / len(fake),
        "recall": float(on_fake.double().mean()),
        "density": balls / (k * len(fake)),
        "coverage": float(held.double().mean()),
    }


class PrecisionRecallDensityCoverage(Metric):
    """{"precision", "recall", "density", "coverage"} of generated against real features, over batches and processes."""

    full_state_update = False
    real: list[Tensor]
    fake: list[Tensor]

    def __init__(self, k: int = 5) -> None:
        super().__init__()
        self.k = k
        self.add_state("real", [], dist_reduce_fx="cat")
        self.add_state("fake", [], dist_reduce_fx="cat")

    def update(self, features: Float[Tensor, "n d"], *, real: bool) -> None:
        (self.real if real else self.fake).append(features)

    def compute(self) -> dict[str, Tensor]:
        real, fake = dim_zero_cat(self.real), dim_zero_cat(self.fake)
        found = precision_recall_density_coverage(real, fake, self.k)
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}
