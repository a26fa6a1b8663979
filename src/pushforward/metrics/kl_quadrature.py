"""KL divergences between two densities in the plane, both known, by quadrature on a grid that is refined until it holds."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.errors import PushforwardError

LogDensity = Callable[[Tensor], Tensor]
"""(n, 2) -> (n,), nats."""

MASS = 0.01
"""By how much of 1 the grid may miss a density's mass."""
CHANGE = 0.005
"""By how much a divergence may change, in nats or relative where it is above 1, when cells are halved in width."""
COARSEST = 0.25


@dataclass(frozen=True)
class Quadrature:
    """KL(p ‖ q) and KL(q ‖ p) in nats on a grid, and how far it is to be trusted.

    mass_p, mass_q: what the grid holds of each. width: of its cells. change_*: from cells twice as wide; NaN on the first.
    """

    forward: float
    reverse: float
    mass_p: float
    mass_q: float
    width: float
    cells: int
    change_forward: float = math.nan
    change_reverse: float = math.nan

    def doubt(self, reverse: bool) -> str | None:
        """Why one of the two is not to be trusted, or None where it is."""
        # forward, the model may have mass where the data, and the grid, have none
        least_q = 1.0 if reverse else 0.0
        for mass, of, least in ((self.mass_p, "the data's", 1.0), (self.mass_q, "the model's", least_q)):
            if not least - MASS <= mass <= 1 + MASS:
                return f"the grid holds {mass:.4g} of {of} mass, expected 1 ± {MASS:g}"
        value, change = (self.reverse, self.change_reverse) if reverse else (self.forward, self.change_forward)
        if not _small(value, change):
            return f"not settled on {self.cells:,} cells: the last refinement changed it by {change:.2g} nats"
        return None

    @property
    def settled(self) -> bool:
        """Whether a finer grid would tell no more."""
        return _small(self.forward, self.change_forward) and _small(self.reverse, self.change_reverse)


def kl_by_quadrature(
    log_p: LogDensity, log_q: LogDensity, low: tuple[int, int], high: tuple[int, int], cells: int
) -> Quadrature:
    """KL(p ‖ q) = ∫ p log p/q and KL(q ‖ p) over [low, high], nats, by the midpoint rule in float64.

    Cells are halved in width, from ¼ on, until p's mass and both divergences have settled, or as far as `cells` cells
    allow. Corners are whole numbers, so that edges there lie on edges of cells. q need not be normalised
    exactly, and is taken as it is. Raises PushforwardError where `cells` is too few to resolve p at all.
    """
    sides = [b - a for a, b in zip(low, high, strict=True)]
    if min(sides) <= 0:
        raise PushforwardError(f"quadrature: the corners {low} and {high} span no area.")
    area, width = math.prod(sides), COARSEST
    before, found = math.nan, None
    while area / width**2 <= cells:
        x = midpoints(low, high, width)
        p = log_p(x).double() + 2 * math.log(width)
        mass = float(p.exp().sum())
        if found is None and not (abs(mass - 1) <= MASS and abs(mass - before) <= MASS):
            before, width = mass, width / 2  # q may be dear: p alone tells that cells are too wide
            continue
        q = log_q(x).double().to(p) + 2 * math.log(width)
        last, found = found, Quadrature(_kl(p, q), _kl(q, p), mass, float(q.exp().sum()), width, len(x))
        if last is not None:
            changes = found.forward - last.forward, found.reverse - last.reverse
            found = replace(found, change_forward=changes[0], change_reverse=changes[1])
            if found.settled:
                return found
        width /= 2
    if found is None:
        need = math.ceil(area / width**2)
        raise PushforwardError(f"quadrature: {cells:,} cells do not resolve the data's density; give {need:,} or more.")
    return found


def midpoints(low: tuple[int, int], high: tuple[int, int], width: float) -> Float[Tensor, "cells 2"]:
    """Centres of the square cells of that width between two corners, float64."""
    axes = [a + width * (torch.arange(round((b - a) / width)).double() + 0.5) for a, b in zip(low, high, strict=True)]
    return torch.cartesian_prod(*axes)


def _small(value: float, change: float) -> bool:
    """Whether a value has settled: one that is not finite will not become so."""
    return not math.isfinite(value) or abs(change) <= CHANGE * max(1.0, abs(value))


def _kl(p: Tensor, q: Tensor) -> float:
    """Σ p log p/q of log-masses; nothing where p has none, infinite where q alone has none."""
    mass = p.exp()
    return float(torch.where(mass > 0, mass * (p - q), 0.0).sum())
