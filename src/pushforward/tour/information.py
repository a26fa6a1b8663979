"""Plots 1 and 2: entropy, and what a wrong code costs."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pushforward.families import HasLikelihood
from pushforward.metrics import compressors
from pushforward.metrics.histograms import PixelHistogram, shares
from pushforward.metrics.information import cross_entropy, entropy, kl_divergence, probabilities
from pushforward.tour.drawing import BLUE, GREEN, GREY, ORANGE, Arrays, save, sheet, styled, texts, write
from pushforward.tour.models import Models

DIGIT = 3
FEW = 5
"""Images that the badly informed code of plot 2 has seen."""


def measure_entropy(models: Models) -> dict[str, Any]:
    data = models.data
    p = torch.linspace(0, 1, 201, dtype=torch.float64)
    places = counted(models, "train")
    pooled = shares(places.counts.sum(0))
    labels = data.labels("train")
    assert labels is not None
    share = (labels == DIGIT).double().mean()
    coins = entropy(torch.stack([p, 1 - p], -1), unit="bits")
    return {
        "p": p,
        "coin": coins,
        "digit": DIGIT,
        "share": share,
        "share_bits": entropy(torch.stack([share, 1 - share]), unit="bits"),
        "levels": pooled,
        "pooled_bits": entropy(pooled, unit="bits"),
        "map_bits": entropy(shares(places.counts), unit="bits").view(data.spec.shape[1:]),
    }


def measure_code(models: Models) -> dict[str, Any]:
    data, levels = models.data, models.data.spec.levels
    assert levels is not None
    test, train = counted(models, "test"), counted(models, "train")
    p = shares(test.counts.sum(0))
    few = PixelHistogram(data.spec.dim, levels)
    few.update(data.raw_levels("train", FEW))
    qs = {
        "q: all levels alike": torch.full_like(p, 1 / levels),
        "q: geometric, of the same mean": geometric(p),
        f"q: shares in {FEW} training images": shares(few.counts.sum(0), 0.5),
        f"q: shares in all {data.spec.n_train:,}": shares(train.counts.sum(0), 0.5),
    }
    q = torch.stack(list(qs.values()))
    codes = codes_of(models, test, train, float(cross_entropy(p, q[-1], unit="bits")))
    return {
        "p": p,
        "names": list(qs),
        "q": q,
        "cross": cross_entropy(p.expand_as(q), q, unit="bits"),
        "kl": kl_divergence(p.expand_as(q), q, unit="bits"),
        "entropy": entropy(p, unit="bits"),
        "n_train": data.spec.n_train,
        "codes": [name for name, _, _ in codes],
        "code_kind": [kind for _, kind, _ in codes],
        "code_bits": [bits for _, _, bits in codes],
    }


def codes_of(
    models: Models, test: PixelHistogram, train: PixelHistogram, pooled: float
) -> list[tuple[str, str, float]]:
    """(name, kind, bits/dim) of what codes pay for the test images."""
    spec = models.data.spec
    assert spec.levels is not None
    found = [
        ("fixed length", "code", math.log2(spec.levels)),
        ("shares of levels", "code", pooled),
        ("shares at each place", "code", float(test.code_length(train))),
    ]
    sizes = compressors.bits_per_dim(models.data.raw_levels("test"), spec.levels)
    found += [(name, "compressor", bits) for name, bits in sizes.items()]
    for name, label in (("flow", "flow (exact)"), ("VAE", "VAE (bound)")):
        family = models.trained(name).able(HasLikelihood)
        with torch.no_grad():
            log_prob = family.log_prob(models.data.tensor("test"), models.generator("code", name))
        bits = spec.bits_per_dim(-log_prob.values.double().mean(), density=log_prob.density)
        found.append((label, "model", float(bits)))
    return found


def counted(models: Models, split: str) -> PixelHistogram:
    """The frequency of each grey level at each pixel."""
    spec = models.data.spec
    assert spec.levels is not None
    histogram = PixelHistogram(spec.dim, spec.levels)
    histogram.update(models.data.raw_levels(split))
    return histogram


def geometric(p: torch.Tensor) -> torch.Tensor:
    """q(k) ∝ rᵏ over p's levels with r = m/(1 + m), m the mean of p: what a Golomb code is made for."""
    levels = torch.arange(len(p), dtype=torch.float64)
    mean = (p * levels).sum()
    mass = (mean / (1 + mean)) ** levels
    return probabilities(mass / mass.sum())


def draw_entropy(a: Arrays, path: Path) -> Path:
    """The entropy of a coin, of a pixel whose place is not known, and of each pixel by its place; bits.

    p, coin (k,): H(p). share, share_bits: one real coin, whether a digit is `digit`. levels (17,): shares of grey levels,
    pooled_bits their entropy. map_bits (h, w): each pixel's.
    """
    with styled():
        figure, (coin, levels, places) = sheet(3.1, (1, 1.05, 1.05))
        coin.plot(a["p"], a["coin"], color=BLUE)
        coin.plot([0.5], [1], "o", color=BLUE, markersize=5)
        write(coin, "a fair coin: 1 bit", (0.5, 1), ha="center", va="bottom", xytext=(0, 5), textcoords="offset points")
        share, bits = float(a["share"]), float(a["share_bits"])
        coin.plot([share], [bits], "o", color=ORANGE, markersize=5)
        write(coin, f"“is it a {int(a['digit'])}?”\np = {share:.2f}: {bits:.2f} bit", (share, bits), ORANGE, va="top",
              xytext=(9, -4), textcoords="offset points")  # fmt: skip
        write(coin, "certain: 0 bits", (1, 0), ha="right", va="bottom", xytext=(-9, 2), textcoords="offset points")
        coin.set(title="a coin", xlabel="probability p of heads", ylabel="entropy H(p), bits",
                 xlim=(0, 1.02), ylim=(0, 1.18), xticks=[0, 0.25, 0.5, 0.75, 1], yticks=[0, 0.5, 1])  # fmt: skip
        k = len(a["levels"])
        levels.bar(np.arange(k), a["levels"], width=0.85, color=BLUE)
        pooled, fixed = float(a["pooled_bits"]), math.log2(k)
        levels.axhline(1 / k, color=GREY, linewidth=0.9, linestyle=":")
        write(levels, f"all {k} alike: $\\log_2 {k}$ = {fixed:.2f} bits", (k - 2, 1 / k), GREY, ha="right", va="bottom",
              xytext=(0, 2), textcoords="offset points")  # fmt: skip
        write(levels, f"as they are: {pooled:.2f} bits", (2, 0.93 * float(a["levels"].max())), BLUE, va="top")
        levels.set(title="a pixel of the images, its place unknown", xlabel="grey level", ylabel="share of pixels",
                   xticks=[0, 4, 8, 12, 16])  # fmt: skip
        shown = places.imshow(a["map_bits"], cmap="viridis", vmin=0, vmax=fixed)
        for (r, c), value in np.ndenumerate(a["map_bits"]):
            places.text(c, r, f"{abs(value):.1f}", ha="center", va="center", fontsize=6.5,
                        color="white" if value < 0.62 * fixed else "0.15")  # fmt: skip
        places.set(xticks=[], yticks=[])
        places.set_title(f"each place by itself: {float(a['map_bits'].mean()):.2f} bits on average")
        for spine in places.spines.values():
            spine.set_visible(False)
        figure.colorbar(shown, ax=places, label="entropy, bits", ticks=[0, 1, 2, 3, 4], shrink=0.9)
        return save(figure, path)


def caption_entropy(a: Arrays) -> str:
    mean, pooled, fixed = float(a["map_bits"].mean()), float(a["pooled_bits"]), math.log2(len(a["levels"]))
    return (
        f"A fair coin is worth {float(np.max(a['coin'])):.0f} bit, the most two outcomes can be. A pixel of the digits takes "
        f"{pooled:.2f} bits instead of {fixed:.2f}; {mean:.2f} once its place is known, so an image needs at most "
        f"{mean * a['map_bits'].size:.0f} bits: less where pixels predict each other."
    )


def draw_code(a: Arrays, path: Path) -> Path:
    """A code made for q, used on p: its lengths, what they cost on average, and what real codes pay for the images.

    p (k,): the true shares. names (m,), q (m, k), cross, kl (m,), entropy: bits. codes, code_bits, code_kind (c,): bits per
    dimension, and whether a `code`, a `compressor` or a `model` pays them.
    """
    colours = [BLUE, GREEN, ORANGE, "#8a63a8"]
    names = texts(a["names"])
    with styled():
        figure, (lengths, cost, real) = sheet(3.3, (1, 1, 1.25))
        ideal = -np.log2(a["p"])
        reach = float(max(ideal.max(), (-np.log2(a["q"])).max()))
        lengths.plot([0, reach], [0, reach], color="0.75", linewidth=1)
        write(
            lengths,
            "the right code",
            (reach, reach),
            GREY,
            ha="right",
            va="bottom",
            xytext=(-14, -3),
            textcoords="offset points",
        )
        for q, colour in zip(a["q"], colours, strict=False):
            lengths.scatter(ideal, -np.log2(q), s=200 * a["p"] + 8, color=colour, linewidths=0, alpha=0.8)
        write(lengths, f"level 0,\n{100 * float(a['p'][0]):.0f} % of all", (ideal[0], ideal[0]), "0.3", va="center",
              xytext=(9, -1), textcoords="offset points")  # fmt: skip
        lengths.set(title="length of each grey level’s word", xlabel="ideal $-\\log_2 p$, bits",
                    ylabel="paid $-\\log_2 q$, bits", xlim=(0, reach * 1.04), ylim=(0, reach * 1.04))  # fmt: skip
        y, h = np.arange(len(names))[::-1], float(a["entropy"])
        cost.barh(y, h, height=0.5, color="0.82")
        cost.barh(y, a["kl"], left=h, height=0.5, color=colours[: len(names)])
        for i, (name, kl) in enumerate(zip(names, a["kl"], strict=True)):
            cost.text(0.05, y[i] + 0.3, name, color=colours[i], fontsize=8, va="bottom")
            cost.text(h + kl + 0.06, y[i], f"+{kl:.2g}", color=colours[i], fontsize=8, va="center")
        cost.text(h / 2, y[-1], f"entropy {h:.2f}", ha="center", va="center", fontsize=8, color="0.3")
        cost.set(title="cost = entropy + KL($p$‖$q$)", xlabel="bits a pixel", yticks=[],
                 xlim=(0, 1.22 * float(a["cross"].max())), ylim=(-0.6, len(names) - 0.1))  # fmt: skip
        cost.spines["left"].set_visible(False)
        order = np.argsort(-a["code_bits"])
        shade = {"code": "0.72", "compressor": GREEN, "model": BLUE}
        labels, bits, kinds = texts(a["codes"][order]), a["code_bits"][order], texts(a["code_kind"][order])
        places = np.arange(len(labels))[::-1]
        real.barh(places, bits, height=0.62, color=[shade[kind] for kind in kinds])
        real.set_yticks(places, labels, fontsize=8, color="0.2")
        real.tick_params(axis="y", length=0)
        for place, value in zip(places, bits, strict=True):
            real.text(value + 0.05, place, f"{value:.2f}", fontsize=8, va="center", color="0.3")
        for i, (kind, what) in enumerate(
            (("code", "pixel by pixel"), ("compressor", "compressors"), ("model", "models"))
        ):
            real.text(0.99, 0.30 - 0.075 * i, what, color=shade[kind] if kind != "code" else "0.5", fontsize=8,
                      ha="right", transform=real.transAxes)  # fmt: skip
        real.set(
            title="what codes pay for the test images",
            xlabel="bits/dim",
            xlim=(0, 1.2 * float(bits.max())),
        )
        real.spines["left"].set_visible(False)
        return save(figure, path)


def caption_code(a: Arrays) -> str:
    names, worst = texts(a["names"]), int(np.argmax(a["kl"]))
    kinds, bits, codes = np.array(texts(a["code_kind"])), a["code_bits"], np.array(texts(a["codes"]))
    model, tool = (
        int(np.flatnonzero(kinds == kind)[np.argmin(bits[kinds == kind])]) for kind in ("model", "compressor")
    )
    return (
        f"A code for q costs entropy + KL: {float(a['entropy']):.2f} + {float(a['kl'][worst]):.2f} bits a pixel where q is "
        f"{names[worst].removeprefix('q: ')}. On the test images {codes[tool]} pays {bits[tool]:.2f} bits/dim, {codes[model]} "
        f"{bits[model]:.2f} once it has learnt from {int(a['n_train']):,} others: a better model is a shorter code."
    )
