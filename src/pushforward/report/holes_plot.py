"""The holes of a latent space: draws far from any image beside the nearest ones, ways across a hole, the map of a plane."""

from pathlib import Path

import numpy as np

from pushforward.report import images, plots

RED = (200, 40, 40)
FRAME = 3
"""Pixels of the frame around an image off the manifold."""


def draw(a: dict[str, np.ndarray], out: Path) -> Path:
    """fakes and nearest (n, c, h, w), or x (rows, steps, c, h, w) with ratio (rows, steps), or ratio over a plane.

    ratio: distance over radius of the relatively nearest ball about a training image; off the manifold above 1.
    """
    if "fakes" in a:
        off = [f"{r:.1f}" for r in a["ratio"]]
        return images.save(beside(a, f"{off[-1]} to {off[0]} radii away"), out)
    return images.save(ways(a["x"], a["ratio"]), out) if "x" in a else plane(a, out)


def beside(a: dict[str, np.ndarray], label: str, columns: int = 12) -> "images.Image.Image":
    rows = [framed(a["fakes"][:columns], a["ratio"][:columns] > 1), images.strip(a["nearest"][:columns])]
    return images.stack(coloured(rows), [label, "nearest training image"])


def ways(x: np.ndarray, ratio: np.ndarray, most: int = 12) -> "images.Image.Image":
    """A row for each path; images off the manifold have a red frame."""
    return images.stack(coloured([framed(row, r > 1) for row, r in zip(x[:most], ratio[:most], strict=True)]))


def framed(x: np.ndarray, off: np.ndarray) -> np.ndarray:
    """One row of images (n, c, h, w) as RGB pixels, those that are off in a red frame."""
    (row,) = coloured([images.strip(x)])
    width = (row.shape[1] + images.GUTTER) // len(x) - images.GUTTER
    for i in np.flatnonzero(off):
        tile = row[:, i * (width + images.GUTTER) :][:, :width]
        for edge in (tile[:FRAME], tile[-FRAME:], tile[:, :FRAME], tile[:, -FRAME:]):
            edge[:] = RED
    return row


def coloured(rows: list[np.ndarray]) -> list[np.ndarray]:
    return [row if row.ndim == 3 else row[..., None].repeat(3, -1) for row in rows]


def plane(a: dict[str, np.ndarray], out: Path) -> Path:
    """The plane of a code coloured by how far off the manifold it decodes, a contour where it leaves it, the codes over it."""
    left, right, bottom, top = map(float, a["extent"])
    with plots._styled():
        figure, (ax,) = plots._panels(1, 1, 4.8, 4.0)
        ratio = np.log2(np.maximum(a["ratio"], 2.0**-3))
        most = max(1.0, float(np.nanmax(np.abs(ratio))))
        shown = ax.imshow(
            ratio,
            origin="lower",
            extent=(left, right, bottom, top),
            cmap="RdBu_r",
            vmin=-most,
            vmax=most,
            aspect="auto",
        )
        if ratio.min() < 0 < ratio.max():
            ax.contour(ratio, levels=[0], extent=(left, right, bottom, top), colors="0.2", linewidths=0.8)
        ax.scatter(*plots.columns(a["codes"][:2000]), s=2, c="0.1", linewidths=0, alpha=0.5)
        wide = int(a.get("dimensions", 2))
        names = ("$z_1$", "$z_2$") if wide == 2 else (f"widest direction of {wide}", "second")
        ax.set(xlabel=names[0], ylabel=names[1], xlim=(left, right), ylim=(bottom, top))
        ax.set_title("distance to the data in radii, log₂: red is off the manifold")
        figure.colorbar(shown, ax=ax)
        return plots._save(figure, out)
