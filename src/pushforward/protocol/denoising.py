"""What an autoencoder makes of noisy images, at the noise it was trained on and at others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.corruption import Corruption, GaussianNoise
from pushforward.domains import Count, Positive
from pushforward.errors import PushforwardError
from pushforward.metrics.reconstruction import mse, psnr
from pushforward.protocol.reconstruction import unable
from pushforward.protocol.subject import CHUNK, MEASURE_SEED, Entries, Subject, positive


@dataclass(frozen=True)
class Denoising:
    """PSNR in dB of corrupted images before and after the way through encoder and decoder, and the gain, which may be < 0.

    `psnr_gain` is that under the family's own corruption, or under Gaussian noise of the middle level where it has none;
    `psnr_gain_<σ>` under Gaussian noise of each level. The noise is the same for every family, and at every level but for
    its strength. levels: σ, in units of the pixels' range. images: of the split, all where None.
    """

    levels: Sequence[Positive] = (0.1, 0.25, 0.5, 0.75, 1.0)
    images: Count | None = None

    def __post_init__(self) -> None:
        positive(self, "images")
        if not self.levels or min(self.levels) <= 0:
            raise PushforwardError(f"metrics.denoising.levels={list(self.levels)}: give standard deviations above 0")

    def __call__(self, subject: Subject) -> Entries:
        why = unable(subject)
        if why is not None:
            names = ["psnr_gain", *map(name, self.levels), "psnr_denoised"]
            return {
                **{key: subject.na(why, "dB", better="higher") for key in names},
                "psnr_corrupted": subject.na(why, "dB", better=None),
            }
        own = getattr(subject.family, "corruption", None)
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
        entries = {
            "psnr_gain": subject.number(after - before, "dB", better="higher", **card(chosen)),
            "psnr_denoised": subject.number(after, "dB", better="higher", **card(chosen)),
            "psnr_corrupted": subject.number(before, "dB", better=None, **card(chosen)),
        }
        curve = {sigma: tuple(map(psnr, pair)) for sigma, pair in zip(sigmas, errors[1:], strict=True)}
        for level in self.levels:
            before, after = curve[float(level)]
            entries[name(level)] = subject.number(after - before, "dB", better="higher", **card(noises[float(level)]))
        subject.keep("denoising", {
            "level": torch.tensor(sigmas), "before": torch.tensor([pair[0] for pair in curve.values()]),
            "after": torch.tensor([pair[1] for pair in curve.values()]),
            "trained": torch.tensor([trained_on(own, noise) for noise in noises.values()]),
        })  # fmt: skip
        return entries

    def errors(self, subject: Subject, corruptions: list[Corruption]) -> list[tuple[float, float]]:
        """Mean MSE a pixel under each corruption, before and after."""
        family: Any = subject.family
        x = subject.x(n=self.images)
        total = torch.zeros(len(corruptions), 2, dtype=torch.float64)
        for i, part in enumerate(x.split(CHUNK)):
            clean = part.to(subject.device, family.dtype)
            for j, corruption in enumerate(corruptions):
                noise = corruption.to(subject.device).draw(tuple(clean.shape), subject.generator("corruption", i))
                corrupted: Tensor = corruption(clean, noise.to(clean.dtype))
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
