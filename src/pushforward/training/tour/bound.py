"""The numbers of plots 5 and 6: rate and distortion over β, and the noise of gradients."""

from typing import Any

import torch

from pushforward.protocol.gradients import NAMES, Gradients
from pushforward.protocol.subject import Subject
from pushforward.training.tour.bench import RECIPES, Bench

BETAS = (0.1, 0.3, 1.0, 2.0, 4.0, 10.0)
SHOWN = 5
MEASURE = Gradients(images=64, repeats=120, settle=30)


@torch.no_grad()
def of_rate_distortion(bench: Bench) -> dict[str, Any]:
    x = bench.data.tensor("test")
    rate, distortion, reconstructions, samples = [], [], [], []
    for beta in BETAS:
        name = "VAE" if beta == 1 else f"VAE, β = {beta:g}"
        family = trained(bench, name, beta)
        parts = family.log_prob(x, bench.generator("rate")).parts
        rate.append(parts["rate"].double().mean())
        distortion.append(parts["distortion"].double().mean())
        reconstructions.append(family.reconstruct(x[:SHOWN])[:, 0])
        samples.append(family.sample(SHOWN, bench.generator("samples"))[:, 0])
    return {
        "beta": BETAS,
        "rate": torch.stack(rate),
        "distortion": torch.stack(distortion),
        "dim": bench.data.spec.dim,
        "inputs": x[:SHOWN, 0],
        "reconstructions": torch.stack(reconstructions),
        "samples": torch.stack(samples),
    }


def trained(bench: Bench, name: str, beta: float) -> Any:
    if beta == 1:
        return bench.trained(name).family
    return bench.train(name, (*RECIPES["VAE"], f"weighting.beta={beta:g}")).family


def of_gradients(bench: Bench) -> dict[str, Any]:
    seen, variance = [], []
    for images, family in bench.trained("VAE").on_the_way():
        bench.say(f"measuring gradients after {images:,} images")
        subject = Subject(family, bench.data)
        spreads, draws = MEASURE.spreads(subject, family, subject.x(n=MEASURE.images))
        seen.append(images)
        variance.append([spreads[name].total_variance for name in NAMES])
    along = torch.stack([draws[f"{name}_along"] / draws["mean_norm"] for name in NAMES])
    return {"seen": seen, "variance": torch.tensor(variance).T, "along": along, "batch": MEASURE.images}
