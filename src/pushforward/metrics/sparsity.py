"""The use of a code's units: how unevenly over images and over units, how many are on, how many are dead."""

import math
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

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


def summary(z: Float[Tensor, "n d"], rho: float | None = None) -> Found:
    """name -> (value, unit, how it came about), of codes z. rho: a target activation of the units, if any.

    hoyer, population_sparsity: means over images; lifetime_sparsity: over units; what is zero throughout is left out.
    mean_activation: over units and images. active_per_image: units of an image that are on, averaged over images: above
    ½ for a code in [0, 1] with a target ρ, else not zero. dead_units: share of units that hardly move over the data.
    units_on_target: with a target ρ, share of units whose mean activation lies within [ρ/2, 2ρ].
    """
    z = z.detach().double()
    n, mean = len(z), z.mean(0)
    spread = ((z - mean).square().sum(0) / (n - 1)).sqrt()
    there, awake = z.any(1), z.any(0)
    silent, asleep = n - int(there.sum()), z.shape[1] - int(awake.sum())
    coin = rho is not None and bool(((z >= 0) & (z <= 1)).all())
    over_images = {"of": "|z|, mean over images"} | ({"note": f"without {silent} zero codes"} if silent else {})
    over_units = {"of": "|z|, mean over units"} | ({"note": f"without {asleep} units always 0"} if asleep else {})
    on = (z > 0.5) if coin else (z != 0)
    found: dict[str, tuple[Tensor, str, Mapping[str, float | str]]] = {
        "hoyer": (hoyer(z[there]).mean(), "0 to 1", over_images),
        "population_sparsity": (population_sparsity(z[there]).mean(), "0 to 1", over_images),
        "lifetime_sparsity": (lifetime_sparsity(z[:, awake]).mean(), "0 to 1", over_units),
        "mean_activation": (mean.mean(), "activation", {}),
        "active_per_image": (on.double().sum(1).mean(), "units an image", {"on": "z > 1/2" if coin else "z ≠ 0"}),
        "dead_units": ((spread <= DEAD * spread.mean()).double().mean(), "share", {"threshold": DEAD}),
    }
    if rho is not None:
        near = ((mean >= rho / 2) & (mean <= 2 * rho)).double().mean()
        found["units_on_target"] = (near, "share", {"rho": rho, "within": "[ρ/2, 2ρ]"})
    return {name: (float(value), unit, how) for name, (value, unit, how) in found.items()}
