"""How near reconstructions are to their images: squared error, PSNR, structural and learned similarity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pushforward.domains import Count
from pushforward.errors import PushforwardError
from pushforward.metrics import perceptual
from pushforward.metrics import reconstruction as near
from pushforward.metrics.likelihood import estimate
from pushforward.protocol.subject import CHUNK, Entries, Subject, positive


def unable(subject: Subject) -> str | None:
    """Why images of this family have no reconstructions to compare with, or None."""
    if not subject.spec.is_image:
        return "points, not images"
    if subject.can("reconstruct"):
        return None
    return (
        "invertible: its reconstruction is exact" if subject.can("encode") else "this family has no encoder and decoder"
    )


def per_image(subject: Subject, images: int | None, *measures: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
    """Each measure's values (n,) of the split's images beside their reconstructions, float64 on the CPU."""
    family: Any = subject.family
    found: list[list[Tensor]] = [[] for _ in measures]
    for part in subject.x(n=images).split(CHUNK):
        x = part.to(subject.device, family.dtype)
        x_hat = family.reconstruct(x)
        for values, measure in zip(found, measures, strict=True):
            values.append(measure(x, x_hat).double().cpu())
    return [torch.cat(values) for values in found]


@dataclass(frozen=True)
class Reconstruction:
    """Images through encoder and decoder: MSE a pixel, PSNR in dB, SSIM, and MS-SSIM where images are large enough.

    images: of the split, all where None. scales: of MS-SSIM.
    """

    images: Count | None = None
    scales: Count = 5

    def __post_init__(self) -> None:
        positive(self, "images")
        if not 1 <= self.scales <= len(near.SCALE_WEIGHTS):
            raise PushforwardError(f"metrics.reconstruction.scales={self.scales}: choose from 1 to 5")

    def __call__(self, subject: Subject) -> Entries:
        why = unable(subject)
        if why is not None:
            return {
                "mse": subject.na(why, "per pixel", better="lower"), "psnr": subject.na(why, "dB", better="higher"),
                "ssim": subject.na(why, "SSIM", better="higher"), "ms_ssim": subject.na(why, "SSIM", better="higher"),
            }  # fmt: skip
        small = self.too_small(subject)
        measures = [near.mse, near.ssim]
        if small is None:
            measures.append(lambda x, x_hat: near.ms_ssim(x, x_hat, self.scales))
        values = per_image(subject, self.images, *measures)
        error, similarity = estimate(values[0]), estimate(values[1])
        card: dict[str, Any] = {"n": error.n, "code": "posterior mean"}
        width, sigma = near.window(*subject.spec.shape[1:])
        structure = {
            **card, "data_range": 1, "k1": near.K1, "k2": near.K2,
            "window": f"{width}×{width} Gaussian, σ = {sigma:.3g}, where it lies on the image whole",
        }  # fmt: skip
        entries = {
            "mse": subject.number(
                error.value, "per pixel", better="lower", standard_error=error.standard_error, **card
            ),
            "psnr": subject.number(near.psnr(error.value), "dB", better="higher", peak=1, of="the mean MSE", **card),
            "ssim": subject.number(
                similarity.value, "SSIM", better="higher", standard_error=similarity.standard_error, **structure
            ),
        }
        if small is not None:
            return {**entries, "ms_ssim": subject.na(small, "SSIM", better="higher", scales=self.scales, **structure)}
        several = estimate(values[2])
        weights = [round(weight, 4) for weight in near.scale_weights(self.scales)]
        entries["ms_ssim"] = subject.number(
            several.value, "SSIM", better="higher", standard_error=several.standard_error,
            scales=self.scales, scale_weights=weights, **structure,
        )  # fmt: skip
        return entries

    def too_small(self, subject: Subject) -> str | None:
        """Why the images have no MS-SSIM, with the setting that gives one, if any does."""
        side = min(subject.spec.shape[1:])
        least = near.least_side(self.scales)
        if side >= least:
            return None
        fits = [scales for scales in range(2, self.scales) if side >= near.least_side(scales)]
        remedy = f"; metrics.reconstruction.scales={fits[-1]} fits" if fits else ""
        return f"{self.scales} scales of an 11×11 window take {least} pixels a side, these have {side}{remedy}"


@dataclass(frozen=True)
class Perceptual:
    """LPIPS between images and their reconstructions. images: of the split. weights_path: of AlexNet; None: download.

    Raises PushforwardError where the weights cannot be had.
    """

    images: Count | None = 2000
    weights_path: str | None = None

    def __call__(self, subject: Subject) -> Entries:
        why = unable(subject)
        if why is None and subject.spec.shape[0] not in (1, 3):
            why = f"{subject.spec.shape[0]} channels are neither grey nor RGB"
        if why is not None:
            return {"lpips": subject.na(why, "LPIPS", better="lower")}
        distance = perceptual.load(self.weights_path).to(subject.device)
        # it was fitted to images: what a decoder puts outside [0, 1] is shown as black or white
        (values,) = per_image(subject, self.images, lambda x, x_hat: distance(x, x_hat.clamp(0, 1)))
        found = estimate(values)
        c, h, w = subject.spec.shape
        shown = f"{h}×{w}" if min(h, w) >= perceptual.PATCH else f"{h}×{w} enlarged to 64×64, bilinear"
        return {
            "lpips": subject.number(
                found.value, "LPIPS", better="lower", n=found.n, standard_error=found.standard_error,
                features=distance.name, features_hash=distance.hash, code="posterior mean",
                preprocessing=shown + (", grey as RGB" if c == 1 else "") + ", clipped to [0, 1]",
            )
        }  # fmt: skip
