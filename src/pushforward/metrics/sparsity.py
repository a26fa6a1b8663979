"""How the units of a code are used: mean activation, share near a target, dead units, active units an image."""

from jaxtyping import Float
from torch import Tensor

DEAD = 1e-3
"""A unit is dead whose activation varies by less than this share of the code's typical spread over the data."""


def summary(z: Float[Tensor, "n d"], rho: float | None) -> dict[str, tuple[float, str, dict[str, float | str]]]:
    """name -> (value, unit, how it came about) of codes z; with a target activation ρ also the share within [ρ/2, 2ρ].

    active_units: units of an image that are on, averaged over images: above ½ for a code in [0, 1], else not zero.
    dead_units: share of units that hardly move over the data.
    """
    z = z.double()
    mean, spread = z.mean(0), z.std(0)
    coin = float(z.min()) >= 0 and float(z.max()) <= 1 and rho is not None
    on = z > 0.5 if coin else z != 0
    found: dict[str, tuple[float, str, dict[str, float | str]]] = {
        "mean_activation": (float(mean.mean()), "activation", {}),
        "active_units": (float(on.double().sum(1).mean()), "units an image", {"on": "z > 1/2" if coin else "z ≠ 0"}),
        "dead_units": (float((spread <= DEAD * spread.mean()).double().mean()), "share", {"threshold": DEAD}),
    }
    if rho is not None:
        near = ((mean >= rho / 2) & (mean <= 2 * rho)).double().mean()
        found["units_on_target"] = (float(near), "share", {"rho": rho, "within": "[ρ/2, 2ρ]"})
    return found
