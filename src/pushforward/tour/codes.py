"""Plots 3 and 4: a planar code, what the plane decodes to, and the spots that are farthest from any code."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import Delaunay
from torch import Tensor

from pushforward.families import Reconstructs, Samples
from pushforward.priors import FittedGaussian
from pushforward.protocol.holes import Surroundings
from pushforward.report import plots
from pushforward.tour.drawing import RED, Arrays, ink, mosaic, save, sheet, styled, write
from pushforward.tour.models import Models

SIDE = 15
"""Images across the decoded plane."""
HOLES, DRAWS, APART = 7, 2000, 0.4
"""Holes shown, draws from the fitted Gaussian, and how far holes are from each other at least, in standard deviations."""
NEIGHBOUR = 3
"""A training image's ball reaches to this neighbour, as in `measure/latent`."""


def measure_autoencoder(models: Models) -> dict[str, Any]:
    return of_map(models, "autoencoder")


def measure_variational(models: Models) -> dict[str, Any]:
    before = of_map(models, "autoencoder")
    return of_map(models, "planar VAE") | {f"autoencoder_{key}": before[key] for key in ("off_fitted", "mse")}


@torch.no_grad()
def of_map(models: Models, name: str) -> dict[str, Any]:
    subject, family = models.subject(name), models.trained(name).able(Reconstructs)
    z, training = subject.codes("train"), subject.raw("train")
    fitted = FittedGaussian.fit(z)
    draws = fitted.sample(DRAWS, models.generator("holes", name))
    around = Surroundings(subject, images=len(training), k=NEIGHBOUR)
    features = around.featured(family.decode(draws))
    found = holes(draws, z)
    far = around.remoteness(around.featured(family.decode(found)))
    prior = (
        around.featured(family.sample(DRAWS, models.generator("prior", name))) if isinstance(family, Samples) else None
    )
    extent = bounds(z)
    test, plane = subject.raw("test"), family.decode(lattice(extent))
    return {
        "z": z,
        "y": subject.labels("train"),
        "extent": extent,
        "plane": plane.view(SIDE, SIDE, *models.data.spec.shape[1:]),
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


def latent_map(a: Arrays, path: Path, who: str) -> Path:
    """Codes by class; the plane decoded, on the same axes; the holes beside the training image nearest to each.

    z (n, 2), y (n,): codes of training images. extent: (left, right, bottom, top). plane (g, g, h, w): decoded, rows upwards.
    plane_ratio (g, g), ratio (m,): how far off the images a decoding is, in radii of the nearest one's ball; off above 1.
    holes (m, 2), hole_x, near_x (m, h, w): the emptiest spots, decoded, and the nearest training image.
    """
    left, right, bottom, top = map(float, a["extent"])
    with styled():
        figure, (codes, plane, beside) = sheet(3.95, (1, 1, 0.36))
        hues = palette()
        for c in np.unique(a["y"]):
            codes.scatter(*plots.columns(a["z"][a["y"] == c]), s=5, color=hues[int(c)], linewidths=0, alpha=0.55)
        for c in np.unique(a["y"]):
            write(
                codes,
                f"{c:g}",
                middle_of(a["z"][a["y"] == c]),
                hues[int(c)],
                fontsize=13,
                weight="bold",
                ha="center",
                va="center",
            )
        codes.set_title(f"{who}: codes of the training images")
        codes.set_ylabel("$z_2$")
        ink(plane, tinted(a["plane"][::-1], a["plane_ratio"][::-1]), extent=(left, right, bottom, top), aspect="auto")
        plane.set_title("what each place decodes to")
        plane.text(
            1, 1.015, "red: off the images", color=RED, fontsize=8, ha="right", va="bottom", transform=plane.transAxes
        )
        for ax in (codes, plane):
            ax.set(xlim=(left, right), ylim=(bottom, top), xlabel="$z_1$")
            ax.set_box_aspect(1)
            numbered(ax, a["holes"])
        pairs = np.stack([a["hole_x"], a["near_x"]], 1)
        ink(beside, mosaic(pairs, gutter=2))
        step = pairs.shape[-1] + 2
        for i, ratio in enumerate(a["ratio"]):
            middle = i * step + (step - 3) / 2
            beside.text(-2.2, middle, f"{i + 1}", color=RED, fontsize=8, ha="right", va="center")
            beside.text(
                2 * step, middle, f"{ratio:.2f}", fontsize=8, ha="left", va="center", color=RED if ratio > 1 else "0.3"
            )
        beside.text((step - 3) / 2, -1.5, "empty\nspot", ha="center", va="bottom", fontsize=8, color="0.2")
        beside.text(step + (step - 3) / 2, -1.5, "nearest\nimage", ha="center", va="bottom", fontsize=8, color="0.2")
        beside.text(2 * step, -1.5, "radii\naway", ha="left", va="bottom", fontsize=8, color="0.2")
        return save(figure, path)


def draw_autoencoder(a: Arrays, path: Path) -> Path:
    return latent_map(a, path, "autoencoder")


def draw_variational(a: Arrays, path: Path) -> Path:
    return latent_map(a, path, "VAE")


def tinted(plane: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Decoded tiles (g, g, h, w) as one RGB image, those off the images in red ink."""
    from matplotlib.colors import to_rgb

    shade = mosaic(np.clip(plane, 0, 1))[..., None]
    off = mosaic(np.broadcast_to(ratio[..., None, None] > 1, plane.shape).astype(float))[..., None]
    paper = np.array([0.97, 0.87, 0.86]) * off + (1 - off)
    return paper * (1 - shade) + np.array(to_rgb("#8f2320")) * off * shade


def middle_of(z: np.ndarray, k: int = 12) -> tuple[float, float]:
    """The code whose k nearest are nearest: where a class is dense, though it may lie in several parts."""
    distance = np.sort(np.linalg.norm(z[:, None] - z, axis=-1), 1)[:, 1 : k + 1].mean(1)
    x, y = z[int(distance.argmin())]
    return float(x), float(y)


def palette() -> list[tuple[float, ...]]:
    from matplotlib import colormaps

    return [colormaps["tab10"](i) for i in range(10)]


def numbered(ax: "plots.Axes", holes: np.ndarray) -> None:
    """The holes as numbered circles."""
    ax.scatter(*plots.columns(holes), s=75, facecolor="white", edgecolor=RED, linewidths=0.9, zorder=4)
    for i, (x, y) in enumerate(holes):
        ax.text(x, y, f"{i + 1}", color=RED, fontsize=6.5, ha="center", va="center_baseline", zorder=5)


def caption_autoencoder(a: Arrays) -> str:
    return (
        f"An autoencoder asks nothing of its codes, and leaves gaps between them. Of {int(a['draws']):,} draws from a Gaussian "
        f"fitted to the codes {percent(a['off_fitted'])} decode to something off the images (of real test images "
        f"{percent(a['floor'])} are); so do {emptiest(a)}."
    )


def caption_variational(a: Arrays) -> str:
    return (
        f"The same network as a VAE, its codes drawn towards N(0, I). Off the images: {percent(a['off_fitted'])} of what is "
        f"decoded from a Gaussian fitted to the codes (autoencoder: {percent(a['autoencoder_off_fitted'])}), "
        f"{percent(a['off_prior'])} from the prior, and {emptiest(a)}. Test images come back with an rms error of "
        f"{rms(a['mse'])} a pixel (autoencoder: {rms(a['autoencoder_mse'])})."
    )


def emptiest(a: Arrays) -> str:
    return f"{int((a['ratio'] > 1).sum())} of the {len(a['ratio'])} emptiest spots"


def rms(mse: np.ndarray) -> str:
    return f"{float(mse) ** 0.5:.3f}"


def percent(share: np.ndarray) -> str:
    return f"{100 * float(share):.0f} %"
