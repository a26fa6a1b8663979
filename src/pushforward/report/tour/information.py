"""Plots 1 and 2: what entropy is, and what a wrong code costs."""

import math
from pathlib import Path

import numpy as np

from pushforward.report.tour.common import BLUE, GREEN, GREY, ORANGE, Arrays, save, sheet, styled, texts, write


def entropy(a: Arrays, path: Path) -> Path:
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


def entropy_caption(a: Arrays) -> str:
    mean, pooled, fixed = float(a["map_bits"].mean()), float(a["pooled_bits"]), math.log2(len(a["levels"]))
    return (
        f"A fair coin is worth {float(np.max(a['coin'])):.0f} bit, the most two outcomes can be. A pixel of the digits takes "
        f"{pooled:.2f} bits instead of {fixed:.2f}; {mean:.2f} once its place is known, so an image needs at most "
        f"{mean * a['map_bits'].size:.0f} bits: less where pixels tell of each other."
    )


def code(a: Arrays, path: Path) -> Path:
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


def code_caption(a: Arrays) -> str:
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
