"""The Fréchet distance at infinitely many samples: what is left when its bias is taken away."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.errors import PushforwardError
from pushforward.metrics import moments
from pushforward.metrics.sample import frechet_distance

LEAST = 0.2
"""Smallest share of the samples that the line is drawn through."""


class Extrapolated(NamedTuple):
    """Intercept of the line at 1/N = 0, in feature², and its standard error from the residuals."""

    value: float
    standard_error: float


def frechet_infinity(
    fake: Float[Tensor, "n d"], real: Float[Tensor, "m d"], generator: torch.Generator, points: int = 15
) -> Extrapolated:
    """Fréchet distance extrapolated to infinite N, feature². Chong & Forsyth 2020.

    The bias is linear in 1/N: the distance at `points` sizes from LEAST·N to N, *both* sides drawn to that size without
    replacement, and the intercept of the line through them. It may be negative where the two are alike. The standard error
    is of the fit alone: the points share samples, so it is too small by their dependence.
    """
    n = min(len(fake), len(real))
    first = max(int(LEAST * n), real.shape[1] + 2)
    if first >= n:
        raise PushforwardError(
            f"Fréchet distance at infinite N: {n} samples of {real.shape[1]} features; give at least "
            f"{round(1.5 * (real.shape[1] + 2))}."
        )
    inverse = torch.linspace(1 / first, 1 / n, points, dtype=torch.float64)
    sizes = (1 / inverse).round().long()
    values = []
    for size in sizes.tolist():
        sides = []
        for side in (fake, real):
            rows = torch.randperm(len(side), generator=generator, device=generator.device)[:size].to(side.device)
            sides.append(moments.mean_and_covariance(moments.of(side[rows])))
        values.append(frechet_distance(*sides[0], *sides[1]).cpu())
    y, x = torch.stack(values), 1 / sizes.double()
    design = torch.stack((torch.ones_like(x), x), 1)
    solution = torch.linalg.lstsq(design, y[:, None]).solution[:, 0]
    residual = (y - design @ solution).square().sum() / (points - 2)
    covariance = residual * torch.linalg.inv(design.T @ design)
    return Extrapolated(float(solution[0]), float(covariance[0, 0].sqrt()))
