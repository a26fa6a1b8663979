"""The picture of gradient noise for one batch, reparameterised and by the score function."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pushforward.report import plots

LABELS = {
    "reparameterized": ("reparameterised", plots.BLUE),
    "score": ("score function, baseline", plots.ORANGE),
    "score_no_baseline": ("score function", "0.55"),
}


def draw(arrays: Mapping[str, np.ndarray], path: Path) -> Path:
    """The same mean, by its running mean over draws of the noise; and each draw's distance from it, on a log scale.

    `<name>_along` (the part along the mean gradient) and `<name>_noise` (the distance from it), (draws,) each, of every
    estimator; `mean_norm`: the mean gradient's length.
    """
    there = {name: how for name, how in LABELS.items() if f"{name}_noise" in arrays}
    along = {name: arrays[f"{name}_along"] / float(arrays["mean_norm"]) for name in there}
    noise = {name: arrays[f"{name}_noise"] for name in there}
    low, high = min(v.min() for v in noise.values()), max(v.max() for v in noise.values())
    with plots._styled():
        figure, (left, right) = plots._panels(1, 2, 3.6, 2.7)
        for name, (label, colour) in reversed(there.items()):
            draws = np.arange(1, len(along[name]) + 1)
            left.plot(draws, np.cumsum(along[name]) / draws, color=colour, label=label)
            counts, _, _ = right.hist(
                noise[name], list(np.geomspace(0.9 * low, 1.1 * high, 70)), color=colour, alpha=0.7
            )
            variance = rounded(float((noise[name] ** 2).mean()))
            right.text(float(np.median(noise[name])), float(np.max(counts)), variance, ha="center", va="bottom")
        reach = 2 * sorted(v.std() for v in along.values())[len(along) // 2]
        left.axhline(1, color="0.2", linewidth=0.8, linestyle=":")
        left.set(
            title="mean of so many gradients, along ḡ",
            xlabel="draws",
            ylabel="$\\bar g_n\\cdot\\bar g\\,/\\,|\\bar g|^2$",
        )
        left.set_xscale("log")
        left.set_ylim(1 - reach, 1 + reach)
        left.legend(fontsize=7, reverse=True)
        right.set_xscale("log")
        right.margins(y=0.12)
        right.set(title="distance from ḡ; its mean square in figures", xlabel="$|g - \\bar g|$, nats", ylabel="draws")
        return plots._save(figure, path)


def rounded(value: float) -> str:
    """Two digits and a power of ten, or the number itself where that is short."""
    mantissa, power = f"{value:.1e}".split("e")
    return f"{value:,.0f}" if 1 <= value < 1e5 else f"${mantissa}\\cdot 10^{{{int(power)}}}$"
