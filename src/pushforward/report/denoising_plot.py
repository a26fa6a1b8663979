"""The picture of a denoiser: PSNR before and after, over the level of the noise."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pushforward.report import plots


def draw(arrays: Mapping[str, np.ndarray], path: Path) -> Path:
    """PSNR in dB of noisy images (`before`) and of what is made of them (`after`) against σ (`level`), (levels,) each.

    trained: which levels the model was trained on; these are ringed.
    """
    level, before, after = arrays["level"], arrays["before"], arrays["after"]
    trained = np.asarray(arrays.get("trained", np.zeros(len(level))), dtype=bool)
    with plots._styled():
        figure, (ax,) = plots._panels(1, 1, 4.4, 3.0, (0.68, 0.15, 0.48, 0.15))
        ax.fill_between(
            level, before, after, where=after >= before, color=plots.BLUE, alpha=0.12, linewidth=0, interpolate=True
        )
        ax.fill_between(
            level, before, after, where=after < before, color=plots.ORANGE, alpha=0.15, linewidth=0, interpolate=True
        )
        ax.plot(level, before, color="0.45", linestyle="--", marker="o", markersize=3, label="noisy")
        ax.plot(level, after, color=plots.BLUE, marker="o", markersize=3, label="reconstructed")
        if trained.any():
            ax.plot(
                level[trained],
                after[trained],
                "o",
                markersize=9,
                fillstyle="none",
                color=plots.BLUE,
                label="trained on",
            )
        ax.set_xlabel("σ of Gaussian noise")
        ax.set_ylabel("PSNR, dB")
        ax.legend()
        return plots._save(figure, path)
