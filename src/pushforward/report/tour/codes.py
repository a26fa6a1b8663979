"""Plots 3 and 4: the map of a two-dimensional code, what it decodes to, and what stands where no image is coded."""

from pathlib import Path

import numpy as np

from pushforward.report import plots
from pushforward.report.tour.common import RED, Arrays, ink, mosaic, save, sheet, styled, write


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


def autoencoder(a: Arrays, path: Path) -> Path:
    return latent_map(a, path, "autoencoder")


def variational(a: Arrays, path: Path) -> Path:
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


def autoencoder_caption(a: Arrays) -> str:
    return (
        f"An autoencoder asks nothing of its codes, and leaves gaps between them. Of {int(a['draws']):,} draws from a Gaussian "
        f"fitted to the codes {percent(a['off_fitted'])} decode to something off the images (of real test images "
        f"{percent(a['floor'])} are); so do {emptiest(a)}."
    )


def variational_caption(a: Arrays) -> str:
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
