"""The numbers of plots 7 and 8: a GAN as it is trained, and four families beside each other."""

from typing import Any

import torch

from pushforward.metrics.sample import fd_protocol
from pushforward.training.tour.bench import Bench

FEW, SHOWN = 3, 18
"""The generator is shown untrained, after so few of the moments, and at the end: so many images each."""
GRID = 30
FAMILIES = ("VAE", "GAN", "flow", "diffusion")


@torch.no_grad()
def of_game(bench: Bench) -> dict[str, Any]:
    training, test = bench.data.tensor("train"), bench.data.tensor("test")
    seen_at: list[int] = []
    beliefs: list[list[float]] = []
    samples = []
    trained = bench.trained("GAN")
    for images, family in trained.on_the_way():
        fake = family.sample(len(test), bench.generator("game"))
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
def of_families(bench: Bench) -> dict[str, Any]:
    data, levels = bench.data, bench.data.spec.levels
    assert levels is not None
    raw = {split: data.raw_levels(split).float() / (levels - 1) for split in ("train", "test")}
    train, test = (bench.features(raw[split]) for split in ("train", "test"))
    floor = fd_protocol(test, test, train).floor
    rows: list[tuple[float, ...]] = [(floor, 0.0, 0, 0)]
    shown = [raw["train"][:GRID, 0]]
    for name in FAMILIES:
        trained = bench.trained(name)
        bench.say(f"sampling: {name}")
        x = trained.family.sample(len(test), bench.generator("families"))
        fd = fd_protocol(bench.features(x), test, train).value
        rows.append((fd, trained.seconds, trained.images, getattr(trained.family, "evaluations", 1)))
        shown.append(x[:GRID, 0])
    return {
        "names": ["training images", *FAMILIES],
        "samples": torch.stack(shown),
        **dict(zip(("fd", "seconds", "images", "evaluations"), zip(*rows, strict=True), strict=True)),
    }
