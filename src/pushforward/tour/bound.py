"""Plots 5 and 6: what the ELBO trades over β, and what its gradient costs with and without reparameterisation."""

import math
import operator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pushforward.families import VariationalAutoencoder
from pushforward.protocol.gradients import NAMES, Gradients
from pushforward.protocol.subject import Subject
from pushforward.tour.drawing import BLUE, GREY, ORANGE, Arrays, ink, mosaic, save, sheet, styled, times, write
from pushforward.tour.models import RECIPES, Models

BETAS = (0.1, 0.3, 1.0, 2.0, 4.0, 10.0)
SHOWN = 5
MEASURE = Gradients(images=64, repeats=120, settle=30)


@torch.no_grad()
def measure_rate_distortion(models: Models) -> dict[str, Any]:
    x = models.data.tensor("test")
    rate, distortion, reconstructions, samples = [], [], [], []
    for beta in BETAS:
        name = "VAE" if beta == 1 else f"VAE, β = {beta:g}"
        family = trained(models, name, beta)
        parts = family.log_prob(x, models.generator("rate")).parts
        rate.append(parts["rate"].double().mean())
        distortion.append(parts["distortion"].double().mean())
        reconstructions.append(family.reconstruct(x[:SHOWN])[:, 0])
        samples.append(family.sample(SHOWN, models.generator("samples"))[:, 0])
    return {
        "beta": BETAS,
        "rate": torch.stack(rate),
        "distortion": torch.stack(distortion),
        "dim": models.data.spec.dim,
        "inputs": x[:SHOWN, 0],
        "reconstructions": torch.stack(reconstructions),
        "samples": torch.stack(samples),
    }


def trained(models: Models, name: str, beta: float) -> VariationalAutoencoder:
    if beta == 1:
        return models.trained(name).able(VariationalAutoencoder)
    return models.train(name, (*RECIPES["VAE"], f"weighting.beta={beta:g}")).able(VariationalAutoencoder)


def measure_gradients(models: Models) -> dict[str, Any]:
    seen, variance = [], []
    for images, family in models.trained("VAE").on_the_way():
        models.say(f"measuring gradients after {images:,} images")
        subject = Subject(family, models.data)
        spreads, draws = MEASURE.spreads(subject, subject.batch(n=MEASURE.images))
        seen.append(images)
        variance.append([spreads[name].total_variance for name in NAMES])
    along = torch.stack([draws[f"{name}_along"] / draws["mean_norm"] for name in NAMES])
    return {"seen": seen, "variance": torch.tensor(variance).T, "along": along, "batch": MEASURE.images}


BIT = math.log(2)


def draw_rate_distortion(a: Arrays, path: Path) -> Path:
    """Distortion against rate over β, the line of equal ELBO through β = 1, and what each β makes of images and of noise.

    beta, rate, distortion (k,): nats an image, of test images. dim: pixels. inputs (m, h, w); reconstructions, samples
    (k, m, h, w).
    """
    rate, distortion, beta = a["rate"], a["distortion"], a["beta"]
    with styled():
        figure, (plane, pictures) = sheet(3.9, (1.1, 1))
        one = int(np.argmin(np.abs(beta - 1)))
        right = 1.06 * float(rate.max())
        low, high = float(distortion.min()), float(distortion.max())
        ends = np.array([0, right])
        plane.plot(ends, distortion[one] + rate[one] - ends, color=GREY, linewidth=0.9, linestyle="--")
        plane.plot(rate, distortion, "o-", color=BLUE, markersize=4.5)
        for r, d, b in zip(rate, distortion, beta, strict=True):
            write(plane, f"β = {b:g}", (r, d), BLUE, xytext=(6, 5), textcoords="offset points")
        margin = 0.08 * (high - low)
        plane.set(xlim=(0, 1.1 * right), ylim=(low - 2 * margin, high + 2 * margin))
        plane.set(title="test images: rate against distortion", xlabel="rate KL(q(z|x)‖p(z)), nats an image",
                  ylabel="distortion −log p(x|z), nats an image")  # fmt: skip
        corner = float(distortion[one] + rate[one])
        plane.text(0.97, 0.96, f"dashed: rate + distortion = {corner:.0f} nats,\nthe ELBO of β = 1 (slope −1)", color=GREY,
                   fontsize=8, ha="right", va="top", transform=plane.transAxes)  # fmt: skip
        bits = plane.secondary_xaxis("top", functions=(partial(operator.mul, 1 / BIT), partial(operator.mul, BIT)))
        bits.set_xlabel("bits an image", fontsize=8, color="0.4")
        per = 1 / (int(a["dim"]) * BIT)
        side = plane.secondary_yaxis("right", functions=(partial(operator.mul, per), partial(operator.mul, 1 / per)))
        side.set_ylabel("bits/dim", fontsize=8, color="0.4")
        m = a["inputs"].shape[0]
        blank = np.zeros_like(a["inputs"][:1])
        rows = [np.concatenate([a["inputs"], blank, np.zeros_like(a["samples"][0])])]
        rows += [np.concatenate([r, blank, s]) for r, s in zip(a["reconstructions"], a["samples"], strict=True)]
        ink(pictures, mosaic(np.stack(rows), gutter=2))
        step = a["inputs"].shape[-1] + 2
        for i, label in enumerate(["input", *(f"β = {b:g}" for b in beta)]):
            pictures.text(
                -2, i * step + step / 2 - 1, label, ha="right", va="center", fontsize=8, color="0.2" if not i else BLUE
            )
        pictures.text(m * step / 2, -2, "reconstructed", ha="center", va="bottom", fontsize=9, color="0.2")
        pictures.text(
            (m + 1 + a["samples"].shape[1] / 2) * step,
            -2,
            "decoded from N(0, I)",
            ha="center",
            va="bottom",
            fontsize=9,
            color="0.2",
        )
        return save(figure, path)


def caption_rate_distortion(a: Arrays) -> str:
    beta, rate, distortion = a["beta"], a["rate"], a["distortion"]
    cost = rate + distortion
    best, one = int(np.argmin(cost)), int(np.argmin(np.abs(beta - 1)))
    where = (
        f"least at β = 1, {cost[one]:.0f}" if best == one else f"{cost[one]:.0f} at β = 1, least at β = {beta[best]:g}"
    )
    return (
        f"β sets the price of rate: from β = {beta[0]:g} to {beta[-1]:g} the rate falls from {rate[0]:.0f} to {rate[-1]:.1f} "
        f"nats an image, and the distortion rises from {distortion[0]:.0f} to {distortion[-1]:.0f}. "
        f"Their sum, the negative ELBO, is {where}."
    )


LABELS = ("reparameterised: z = μ + σε", "score function, with baseline", "score function")
HUES = (BLUE, ORANGE, "0.55")


def draw_gradients(a: Arrays, path: Path) -> Path:
    """One gradient of the same VAE and batch under many draws of the noise, and its variance during training.

    along (3, draws): the part along the mean gradient, in units of its length. seen (m,): images; variance (3, m): trace of
    the covariance over the encoder's weights, nats². In the order of NAMES.
    """
    from matplotlib.ticker import EngFormatter

    with styled():
        figure, (strips, course) = sheet(3.3, (1.3, 1))
        jitter = np.random.default_rng(0).uniform(-0.22, 0.22, a["along"].shape[1])
        for i, (values, label, hue) in enumerate(zip(a["along"], LABELS, HUES, strict=True)):
            y = 2 - i
            strips.scatter(values, y + jitter, s=7, color=hue, linewidths=0, alpha=0.5)
            mean, error = values.mean(), values.std(ddof=1) / len(values) ** 0.5
            strips.errorbar([mean], [y], xerr=[2 * error], fmt="|", color="0.1", markersize=9, capsize=2, zorder=5)
            write(strips, f"{label}: mean {mean:.2f} ± {2 * error:.2f}, spread {values.std(ddof=1):.2g}", (0, y + 0.36), hue,
                  xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center")  # fmt: skip
        strips.axvline(1, color="0.2", linewidth=0.8, linestyle=":", zorder=0)
        strips.set(title=f"{a['along'].shape[1]} draws of the noise, same weights, same {int(a['batch'])} images",
                   xlabel="part along the mean reparameterised gradient, in its length", yticks=[],
                   ylim=(-0.4, 2.6))  # fmt: skip
        strips.spines["left"].set_visible(False)
        for values, hue in zip(a["variance"], HUES, strict=True):
            course.plot(a["seen"], values, "o-", color=hue, markersize=4)
        factor = float(a["variance"][1, -1] / a["variance"][0, -1])
        x, (low, high) = float(a["seen"][-1]), a["variance"][[0, 1], -1]
        course.annotate(
            "",
            (x, low),
            (x, high),
            arrowprops={"arrowstyle": "<->", "color": "0.4", "linewidth": 0.9, "shrinkA": 3, "shrinkB": 3},
        )
        write(course, f"× {times(factor)}", (x, math.sqrt(low * high)), "0.2", fontsize=10, weight="bold", ha="right",
              va="center", xytext=(-5, 0), textcoords="offset points")  # fmt: skip
        course.set_yscale("log")
        course.margins(y=0.12)
        course.xaxis.set_major_formatter(EngFormatter(sep=""))
        course.set(
            title="variance of the encoder’s gradient", xlabel="images seen in training", ylabel="Σ over weights, nats²"
        )
        return save(figure, path)


def caption_gradients(a: Arrays) -> str:
    last, score = a["variance"][:, -1], a["along"][1]
    mean, error = score.mean(), 2 * score.std(ddof=1) / len(score) ** 0.5
    found = f"is {mean:.2f} ± {error:.2f} of it" + (
        "" if abs(mean - 1) <= error else ", off by more than two standard errors"
    )
    with_baseline, without = (times(value / last[0]) for value in last[1:])
    return (
        f"Both estimators aim at the same gradient: the mean of {len(score)} score-function draws {found}. But on the trained "
        f"VAE its variance is {with_baseline} times the reparameterised one's, {without} times without baseline: as many times "
        f"more draws for the same precision."
    )
