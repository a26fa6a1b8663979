"""Denoising by an autoencoder, at the noise it was trained on and at others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pushforward.corruption import Corruption, GaussianNoise
from pushforward.domains import Count, Positive
from pushforward.errors import PushforwardError
from pushforward.families import Denoises
from pushforward.metrics.reconstruction import mse, psnr
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.reconstruction import reconstructing
from pushforward.protocol.subject import CHUNK, MEASURE_SEED, Subject


@dataclass(frozen=True)
class Denoising(Measure):
    """PSNR in dB of corrupted images before and after the way through encoder and decoder, and the gain, which may be < 0.

    `psnr_gain` is that under the family's own corruption, or under Gaussian noise of the middle level where it has none;
    `psnr_gain_<σ>` under Gaussian noise of each level. The noise is the same for every family, and at every level but for
    its strength. levels: σ, in units of the pixels' range. images: of the split, all where None.
    """

    order = 20
    levels: Sequence[Positive] = (0.1, 0.25, 0.5, 0.75, 1.0)
    images: Count | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.levels:
            raise PushforwardError("metrics.denoising.levels=[]: give standard deviations above 0")

    def numbers(self, subject: Subject) -> Sequence[Number]:
        gains = [Number(name(level), "dB", "higher") for level in self.levels]
        whole = (Number("psnr_gain", "dB", "higher"), Number("psnr_denoised", "dB", "higher"))
        return (*whole, Number("psnr_corrupted", "dB"), *gains)

    def values(self, subject: Subject) -> dict[str, Value]:
        own = subject.family.corruption if isinstance(subject.family, Denoises) else None
        middle = sorted(self.levels)[len(self.levels) // 2]
        chosen: Corruption = GaussianNoise(middle) if own is None else own
        sigmas = sorted({*map(float, self.levels), *own_sigma(own)})
        noises = {sigma: GaussianNoise(sigma) for sigma in sigmas}
        errors = self.errors(subject, [chosen, *noises.values()])
        n = len(subject.x(n=self.images))

        def card(corruption: Corruption) -> dict[str, Any]:
            trained = "trained on this corruption" if trained_on(own, corruption) else "not trained on this corruption"
            return {
                "n": n, "peak": 1, "of": "the mean MSE", "corruption": corruption.describe(),
                "corruption_seed": MEASURE_SEED, "note": trained if own is not None else "not trained to denoise",
            }  # fmt: skip

        before, after = map(psnr, errors[0])
        values = {
            "psnr_gain": value(after - before, **card(chosen)),
            "psnr_denoised": value(after, **card(chosen)),
            "psnr_corrupted": value(before, **card(chosen)),
        }
        curve = {sigma: tuple(map(psnr, pair)) for sigma, pair in zip(sigmas, errors[1:], strict=True)}
        for level in self.levels:
            before, after = curve[float(level)]
            values[name(level)] = value(after - before, **card(noises[float(level)]))
        subject.keep("denoising", {
            "level": torch.tensor(sigmas), "before": torch.tensor([pair[0] for pair in curve.values()]),
            "after": torch.tensor([pair[1] for pair in curve.values()]),
            "trained": torch.tensor([trained_on(own, noise) for noise in noises.values()]),
        })  # fmt: skip
        return values

    def errors(self, subject: Subject, corruptions: list[Corruption]) -> list[tuple[float, float]]:
        """Mean MSE a pixel under each corruption, before and after."""
        family, x = reconstructing(subject), subject.x(n=self.images)
        total = torch.zeros(len(corruptions), 2, dtype=torch.float64)
        for i, part in enumerate(x.split(CHUNK)):
            clean = subject.placed(part)
            for j, corruption in enumerate(corruptions):
                noise = corruption.to(subject.device).draw(tuple(clean.shape), subject.generator("corruption", i))
                corrupted = corruption(clean, noise.to(clean.dtype))
                for k, shown in enumerate((corrupted, family.reconstruct(corrupted))):
                    total[j, k] += mse(clean, shown).sum().cpu()
        return [(float(before), float(after)) for before, after in total / len(x)]


def name(level: float) -> str:
    """`psnr_gain_0.5`"""
    return f"psnr_gain_{level:g}"


def own_sigma(corruption: Corruption | None) -> list[float]:
    """The σ of Gaussian noise, to 6 digits as a buffer in float32 holds it; none of other corruptions."""
    return [float(f"{float(corruption.sigma):.6g}")] if isinstance(corruption, GaussianNoise) else []


def trained_on(own: Corruption | None, corruption: Corruption) -> bool:
    if own is corruption:
        return True
    mine, other = own_sigma(own), own_sigma(corruption)
    return bool(mine and other) and math.isclose(mine[0], other[0], rel_tol=1e-6)
