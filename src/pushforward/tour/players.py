"""Plots 7 and 8: a GAN's two players, and four families side by side."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pushforward.families import GAN, IterativeSampler, Samples
from pushforward.metrics.sample import fd_protocol
from pushforward.tour.drawing import BLUE, GREEN, GREY, ORANGE, Arrays, ink, mosaic, save, sheet, styled, texts, write
from pushforward.tour.models import Models

FEW, SHOWN = 3, 18
"""The generator is shown untrained, after so few of the moments, and at the end: so many images each."""
GRID = 30
FAMILIES = ("VAE", "GAN", "flow", "diffusion")


@torch.no_grad()
def measure_game(models: Models) -> dict[str, Any]:
    training, test = models.data.tensor("train"), models.data.tensor("test")
    seen_at: list[int] = []
    beliefs: list[list[float]] = []
    samples = []
    trained = models.trained("GAN")
    for images, family in trained.on_the_way():
        assert isinstance(family, GAN)
        fake = family.sample(len(test), models.generator("game"))
        seen_at.append(images)
        beliefs.append([float(family.critic(family.centre(x)).sigmoid().mean()) for x in (training, test, fake)])
        samples.append(fake[:SHOWN, 0])
    critic, generator = trained.terms["critic/adversarial"], trained.terms["generator/adversarial"]
    real, held_out, fake = torch.tensor(beliefs).T
    moments = [0, FEW, len(seen_at) - 1]
    return {
        "seen": torch.arange(1, len(critic) + 1) * trained.images // len(critic),
        "critic": critic,
        "generator": generator,
        "seen_at": seen_at,
        "real": real,
        "test": held_out,
        "fake": fake,
        "moments": [seen_at[i] for i in moments],
        "samples": torch.stack([samples[i] for i in moments]),
    }


@torch.no_grad()
def measure_families(models: Models) -> dict[str, Any]:
    data, levels = models.data, models.data.spec.levels
    assert levels is not None
    raw = {split: data.raw_levels(split).float() / (levels - 1) for split in ("train", "test")}
    train, test = (models.features(raw[split]) for split in ("train", "test"))
    floor = fd_protocol(test, test, train).floor
    rows: list[tuple[float, ...]] = [(floor, 0.0, 0, 0)]
    shown = [raw["train"][:GRID, 0]]
    for name in FAMILIES:
        trained = models.trained(name)
        models.say(f"sampling: {name}")
        x = trained.able(Samples).sample(len(test), models.generator("families"))
        fd = fd_protocol(models.features(x), test, train).value
        rows.append(
            (
                fd,
                trained.seconds,
                trained.images,
                trained.family.evaluations if isinstance(trained.family, IterativeSampler) else 1,
            )
        )
        shown.append(x[:GRID, 0])
    return {
        "names": ["training images", *FAMILIES],
        "samples": torch.stack(shown),
        **dict(zip(("fd", "seconds", "images", "evaluations"), zip(*rows, strict=True), strict=True)),
    }


TIED = 2 * math.log(2)
"""The loss of a critic that answers ½ to everything, nats."""


def draw_game(a: Arrays, path: Path) -> Path:
    """The losses of both players, the critic's answers, and the generator's images of the same noise during training.

    seen, critic, generator (s,): losses by step, nats. seen_at, real, test, fake (m,): mean probability of being real that
    the critic gives training images, held-out ones and generated ones. moments (k,), samples (k, n, h, w).
    """
    from matplotlib.ticker import EngFormatter

    with styled():
        figure, (losses, beliefs, pictures) = sheet(3.3, (1.05, 1, 1.02))
        for name, colour in (("critic", ORANGE), ("generator", BLUE)):
            losses.plot(a["seen"], a[name], color=colour, linewidth=0.4, alpha=0.3)
            x, y = smooth(a["seen"], a[name])
            losses.plot(x, y, color=colour)
            write(losses, name, (x[-1], y[-1]), colour, xytext=(4, 0), textcoords="offset points", va="center")
        top = 1.1 * float(np.quantile(np.concatenate([a["critic"], a["generator"]]), 0.995))
        losses.axhline(TIED, color=GREY, linewidth=0.9, linestyle="--")
        write(
            losses,
            "2 ln 2: the critic cannot tell",
            (0, TIED),
            GREY,
            xytext=(4, 3),
            textcoords="offset points",
            va="bottom",
        )
        end = float(a["seen"][-1])
        losses.set(
            title="losses", xlabel="images seen", ylabel="nats", xlim=(0, 1.3 * end), ylim=(0, max(top, 1.15 * TIED))
        )
        at, keys = a["seen_at"], ("real", "test", "fake")
        reach = min(0.5, max(0.25, 1.1 * float(np.abs(np.stack([a[key] for key in keys]) - 0.5).max())))
        apart = spread([float(a[key][-1]) for key in keys], 0.13 * reach)
        for key, label, colour, height in zip(
            keys, ("training images", "test images", "generated"), (ORANGE, GREEN, BLUE), apart, strict=True
        ):
            beliefs.plot(at, a[key], color=colour)
            write(beliefs, label, (at[-1], height), colour, xytext=(4, 0), textcoords="offset points", va="center")
        beliefs.axhline(0.5, color=GREY, linewidth=0.9, linestyle="--")
        beliefs.set(title="what the critic believes", xlabel="images seen", ylabel="mean probability of “real”",
                    xlim=(0, 1.55 * end), ylim=(0.5 - reach, 0.5 + reach))  # fmt: skip
        for ax in (losses, beliefs):
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            ax.set_xticks([t for t in ax.get_xticks() if t <= end])
        k, n, h, w = a["samples"].shape
        columns = 9
        block = a["samples"][:, : n // columns * columns].reshape(k, -1, columns, h, w)
        sheets = [mosaic(rows) for rows in block]
        gap = np.zeros((9, sheets[0].shape[1]))
        ink(pictures, np.concatenate([part for s in sheets for part in (gap, s)]))
        tall = sheets[0].shape[0] + len(gap)
        for i, moment in enumerate(a["moments"]):
            text = "untrained" if not moment else f"after {int(moment):,} images"
            pictures.text(0, i * tall + len(gap) - 1.6, text, fontsize=8, va="bottom", color="0.2")
        pictures.set_title("the same noise, three moments")
        return save(figure, path)


def smooth(x: np.ndarray, y: np.ndarray, points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Means over equal stretches, placed at their middles."""
    parts = [part for part in np.array_split(np.arange(len(y)), points) if len(part)]
    return np.array([x[part].mean() for part in parts]), np.array([y[part].mean() for part in parts])


def spread(values: list[float], apart: float) -> list[float]:
    """The values moved up as little as keeps labels at them `apart`."""
    placed = dict.fromkeys(range(len(values)), 0.0)
    below = -math.inf
    for i in sorted(range(len(values)), key=values.__getitem__):
        placed[i] = below = max(values[i], below + apart)
    return [placed[i] for i in range(len(values))]


def caption_game(a: Arrays) -> str:
    tail = len(a["critic"]) // 10
    critic = float(a["critic"][-tail:].mean())
    real, test, fake = (float(a[key][-1]) for key in ("real", "test", "fake"))
    return (
        f"The critic's loss ends at {critic:.2f} nats; {TIED:.2f} would be a critic that cannot tell. It gives training images "
        f"{real:.2f} and generated ones {fake:.2f}, but test images {test:.2f}: "
        + (
            "what it holds against images is in part that it has not seen them."
            if real - test > 0.5 * (real - fake)
            else "it knows real images, not only those it saw."
        )
        + " Neither loss says how good the samples are."
    )


def draw_families(a: Arrays, path: Path) -> Path:
    """Equal grids of real images and of each family's samples.

    names (f,), samples (f, n, h, w), fd, seconds, images, evaluations (f,): the first row is the data, whose Fréchet
    distance is the floor: training against test images.
    """
    names = texts(a["names"])
    with styled():
        figure, axes = sheet(2.95, [1] * len(names))
        for i, (ax, name) in enumerate(zip(axes, names, strict=True)):
            n, h, w = a["samples"][i].shape
            ink(ax, mosaic(a["samples"][i][: n // 5 * 5].reshape(-1, 5, h, w)))
            ax.set_title(name, fontsize=10, color="0.1", loc="left")
            ax.set_xlabel(described(a, i), fontsize=8, color="0.3", loc="left", linespacing=1.4)
        return save(figure, path)


def described(a: Arrays, i: int) -> str:
    if i == 0:
        return f"FD {a['fd'][0]:.0f}: the floor,\ntrain against test images"
    calls = int(a["evaluations"][i])
    cost = f"trained {a['seconds'][i]:.1f} s, {a['images'][i] / 1000:.0f}k images"
    return f"FD {a['fd'][i]:.0f}\n{cost}\n{calls} network call{'s' * (calls > 1)} a sample"


def caption_families(a: Arrays) -> str:
    names = texts(a["names"])
    order = 1 + np.argsort(a["fd"][1:])
    ranked = ", ".join(f"{names[i]} {a['fd'][i]:.0f}" for i in order)
    return (
        f"Fréchet distance to the test images on a classifier's features, lower is better: {ranked}; two sets of real images "
        f"have {a['fd'][0]:.0f}. A few seconds' training each and one seed: this shows the kinds, it does not rank them."
    )
