"""How the units of a code are used: how unevenly over images and over units, how many are on, how many are dead."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

DEAD = 1e-3
"""A unit is dead whose activation varies by less than this share of the code's typical spread over the data."""

Found = dict[str, tuple[float, str, Mapping[str, float | str]]]
"""name -> (value, unit, how it came about)."""


def hoyer(z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Sparseness of each code, (√d − ‖z‖₁/‖z‖₂)/(√d − 1), (n,), float64: 0 all units equal, 1 one alone. Hoyer 2004, sec. 3.1.

    NaN where a code is zero or has one unit.
    """
    z, root = z.double().abs(), math.sqrt(z.shape[1])
    return (root - z.sum(1) / z.square().sum(1).sqrt()) / (root - 1)


def activity_sparsity(mean: Tensor, mean_square: Tensor, n: int | float | Tensor) -> Tensor:
    """(1 − a)/(1 − 1/n) with a = ⟨|r|⟩²/⟨r²⟩ over n responses: 0 all alike, 1 one response alone; float64.

    a: Treves & Rolls 1991; its scale: Vinje & Gallant 2000; |r|, for signed responses: Willmore & Tolhurst 2001.
    NaN where all n are zero, and for n = 1. About 1 − 2/π = 0.363 for Gaussian responses about 0.
    """
    return (1 - mean**2 / mean_square) / (1 - 1 / n)


def population_sparsity(z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """`activity_sparsity` of each image's code over the d units, (n,)."""
    r = z.double().abs()
    return activity_sparsity(r.mean(1), r.square().mean(1), z.shape[1])


def lifetime_sparsity(z: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """`activity_sparsity` of each unit over the n images, (d,)."""
    r = z.double().abs()
    return activity_sparsity(r.mean(0), r.square().mean(0), len(z))


def summary(z: Float[Tensor, "n d"], rho: float | None) -> Found:
    """`Sparsity.summary` of codes z, all at once."""
    metric = Sparsity(z.shape[1], rho)
    metric.update(z)
    return metric.summary()


class Sparsity(Metric):
    """How the `d` units of codes are used, over batches and processes, float64. rho: a target activation, if any."""

    full_state_update = False
    units: Tensor
    images: Tensor
    lowest: Tensor
    highest: Tensor

    def __init__(self, d: int, rho: float | None = None) -> None:
        super().__init__()
        self.rho = rho
        # a unit's n, mean and scatter of z, Σ|z|, Σz², images in which z > 1/2, in which z ≠ 0
        self.add_state("units", torch.zeros(7, d, dtype=torch.float64), dist_reduce_fx=_merge)
        # over images that are not zero: how many, ΣHoyer, Σpopulation sparsity
        self.add_state("images", torch.zeros(3, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("lowest", torch.tensor(math.inf, dtype=torch.float64), dist_reduce_fx="min")
        self.add_state("highest", torch.tensor(-math.inf, dtype=torch.float64), dist_reduce_fx="max")

    def update(self, z: Float[Tensor, "n d"]) -> None:
        if not len(z):
            return
        z = z.detach().double()
        mean, ones = z.mean(0), z.new_ones(z.shape[1])
        seen = torch.stack((
            len(z) * ones, mean, (z - mean).square().sum(0), z.abs().sum(0), z.square().sum(0),
            (z > 0.5).double().sum(0), (z != 0).double().sum(0),
        ))  # fmt: skip
        self.units = _merge(torch.stack((self.units, seen)))
        there = z[z.any(1)]
        self.images += torch.stack(
            (ones[0] * len(there), hoyer(there).nan_to_num().sum(), population_sparsity(there).nan_to_num().sum())
        )
        self.lowest, self.highest = torch.minimum(self.lowest, z.min()), torch.maximum(self.highest, z.max())

    def compute(self) -> dict[str, Tensor]:
        """{"hoyer", "population_sparsity", "lifetime_sparsity", "mean_activation", "active_per_image", "dead_units"} and,
        with a target ρ, "units_on_target"."""
        d = self.units.shape[1]
        n, mean, scatter, absolute, square, above, nonzero = self.units
        spread = (scatter / (n - 1)).sqrt()
        awake = square > 0
        lifetime = activity_sparsity(absolute[awake] / n[awake], square[awake] / n[awake], n[awake])
        undefined = mean.new_tensor(math.nan)
        found = {
            "hoyer": self.images[1] / self.images[0] if d > 1 else undefined,
            "population_sparsity": self.images[2] / self.images[0] if d > 1 else undefined,
            "lifetime_sparsity": lifetime.mean(),
            "mean_activation": mean.mean(),
            "active_per_image": (above if self.coin() else nonzero).sum() / n[0],
            "dead_units": (spread <= DEAD * spread.mean()).double().mean(),
        }
        if self.rho is not None:
            found["units_on_target"] = ((mean >= self.rho / 2) & (mean <= 2 * self.rho)).double().mean()
        return found

    def coin(self) -> bool:
        """Whether a unit is read as on or off: it lies in [0, 1] and has a target activation."""
        return bool(self.lowest >= 0) and bool(self.highest <= 1) and self.rho is not None

    def summary(self) -> Found:
        """name -> (value, unit, how it came about).

        hoyer, population_sparsity: means over images; lifetime_sparsity: over units; what is zero throughout is left out.
        mean_activation: over units and images. active_per_image: units of an image that are on, averaged over images: above
        ½ for a code in [0, 1] with a target ρ, else not zero. dead_units: share of units that hardly move over the data.
        units_on_target: with a target ρ, share of units whose mean activation lies within [ρ/2, 2ρ].
        """
        values = {name: float(value) for name, value in self.compute().items()}
        asleep = int((self.units[4] == 0).sum())
        silent = int(self.units[0, 0] - self.images[0])
        over_images = {"of": "|z|, mean over images"} | ({"note": f"without {silent} zero codes"} if silent else {})
        over_units = {"of": "|z|, mean over units"} | ({"note": f"without {asleep} units always 0"} if asleep else {})
        how: dict[str, tuple[str, Mapping[str, float | str]]] = {
            "hoyer": ("0 to 1", over_images), "population_sparsity": ("0 to 1", over_images),
            "lifetime_sparsity": ("0 to 1", over_units), "mean_activation": ("activation", {}),
            "active_per_image": ("units an image", {"on": "z > 1/2" if self.coin() else "z ≠ 0"}),
            "dead_units": ("share", {"threshold": DEAD}),
            "units_on_target": ("share", {"rho": self.rho or 0.0, "within": "[ρ/2, 2ρ]"}),
        }  # fmt: skip
        return {name: (value, *how[name]) for name, value in values.items()}


def _merge(parts: Float[Tensor, "parts 7 d"]) -> Float[Tensor, "7 d"]:
    """Statistics of the union of disjoint data: everything adds up but mean and scatter. Chan, Golub & LeVeque 1983."""
    total = parts.sum(0)
    count, mean = parts[:, 0], parts[:, 1]
    overall = (count * mean).sum(0) / total[0].clamp(min=1)
    scatter = total[2] + (count * (mean - overall).square()).sum(0)
    return torch.cat((total[:1], overall[None], scatter[None], total[3:]))
