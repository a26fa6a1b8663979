"""The numbers of plots 3 and 4: a planar code, the plane decoded, and the spots that are farthest from any code."""

from typing import Any

import torch
from scipy.spatial import Delaunay
from torch import Tensor

from pushforward.priors import FittedGaussian
from pushforward.protocol.holes import Surroundings
from pushforward.training.tour.bench import Bench

SIDE = 15
"""Images across the decoded plane."""
HOLES, DRAWS, APART = 7, 2000, 0.4
"""Holes shown, draws from the fitted Gaussian, and how far holes are from each other at least, in standard deviations."""
NEIGHBOUR = 3
"""A training image's ball reaches to this neighbour, as in `measure/latent`."""


def of_autoencoder(bench: Bench) -> dict[str, Any]:
    return of_map(bench, "autoencoder")


def of_variational(bench: Bench) -> dict[str, Any]:
    before = of_map(bench, "autoencoder")
    return of_map(bench, "planar VAE") | {f"autoencoder_{key}": before[key] for key in ("off_fitted", "mse")}


@torch.no_grad()
def of_map(bench: Bench, name: str) -> dict[str, Any]:
    subject, family = bench.subject(name), bench.trained(name).family
    z, training = subject.codes("train"), subject.raw("train")
    fitted = FittedGaussian.fit(z)
    draws = fitted.sample(DRAWS, bench.generator("holes", name))
    around = Surroundings(subject, images=len(training), k=NEIGHBOUR)
    features = around.featured(family.decode(draws))
    found = holes(draws, z)
    far = around.remoteness(around.featured(family.decode(found)))
    prior = around.featured(family.sample(DRAWS, bench.generator("prior", name))) if family.can("sample") else None
    extent = bounds(z)
    test, plane = subject.raw("test"), family.decode(lattice(extent))
    return {
        "z": z,
        "y": subject.labels("train"),
        "extent": extent,
        "plane": plane.view(SIDE, SIDE, *bench.data.spec.shape[1:]),
        "holes": found,
        "hole_x": family.decode(found)[:, 0],
        "near_x": training[far.nearest][:, 0],
        "ratio": far.ratio,
        "draws": DRAWS,
        "off_fitted": around.share(features),
        "off_prior": float("nan") if prior is None else around.share(prior),
        "plane_ratio": around.remoteness(around.featured(plane)).ratio.view(SIDE, SIDE),
        "floor": around.floor,
        "mse": (family.reconstruct(test) - test).square().mean(),
    }


def holes(draws: Tensor, z: Tensor) -> Tensor:
    """The draws farthest from any code, one after the other, (≤ HOLES, 2): distances in the codes' standard deviations.

    Only within the hull of the codes, but for the outermost ½ % of each axis: what is beyond is the rim, not a hole.
    """
    left, right, bottom, top = bounds(z, margin=0.0)
    kept = z[(z[:, 0] >= left) & (z[:, 0] <= right) & (z[:, 1] >= bottom) & (z[:, 1] <= top)]
    draws = draws[torch.from_numpy(Delaunay(kept.numpy()).find_simplex(draws.numpy()) >= 0)]
    scale = z.std(0)
    empty = torch.cdist(draws / scale, z / scale).amin(1)
    chosen: list[int] = []
    for i in empty.argsort(descending=True).tolist():
        if all(((draws[i] - draws[j]) / scale).norm() > APART for j in chosen):
            chosen.append(i)
        if len(chosen) == HOLES:
            break
    return draws[chosen]


def bounds(z: Tensor, margin: float = 0.07) -> Tensor:
    """(left, right, bottom, top) of all codes but the outermost ½ % on each side, and a margin."""
    low, high = z.quantile(0.005, 0), z.quantile(0.995, 0)
    low, high = low - margin * (high - low), high + margin * (high - low)
    return torch.stack([low[0], high[0], low[1], high[1]])


def lattice(extent: Tensor) -> Tensor:
    """The middles of SIDE × SIDE cells of the plane, rows upwards, (SIDE², 2)."""
    left, right, bottom, top = extent
    steps = (torch.arange(SIDE) + 0.5) / SIDE
    across, up = left + steps * (right - left), bottom + steps * (top - bottom)
    return torch.stack(torch.meshgrid(across, up, indexing="xy"), -1).flatten(0, 1)
