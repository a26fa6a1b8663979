"""The error of reconstructions: squared error, PSNR, structural and learned similarity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from pushforward.domains import Count, Domain
from pushforward.families import Encodes, Reconstructs
from pushforward.metrics import perceptual
from pushforward.metrics import reconstruction as near
from pushforward.metrics.likelihood import estimate
from pushforward.protocol.measure import LITTLE, Measure, Number, Value, value
from pushforward.protocol.subject import CHUNK, NotApplicable, Subject

SIMILAR = (Number("ssim", "SSIM", "higher"), Number("ms_ssim", "SSIM", "higher"))


def reconstructing(subject: Subject) -> Reconstructs:
    """The family, as something whose reconstructions can be compared with images. Raises NotApplicable where they cannot."""
    if not subject.spec.is_image:
        raise NotApplicable("points, not images")
    invertible = isinstance(subject.family, Encodes)
    why = "invertible: its reconstruction is exact" if invertible else "this family has no encoder and decoder"
    return subject.need(Reconstructs, why)


def per_image(subject: Subject, images: int | None, *measures: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
    """Each measure's values (n,) of the split's images beside their reconstructions, float64 on the CPU."""
    family = reconstructing(subject)
    found: list[list[Tensor]] = [[] for _ in measures]
    for part in subject.x(n=images).split(CHUNK):
        x = subject.placed(part)
        x_hat = family.reconstruct(x)
        for values, measure in zip(found, measures, strict=True):
            values.append(measure(x, x_hat).double().cpu())
    return [torch.cat(values) for values in found]


@dataclass(frozen=True)
class Reconstruction(Measure):
    """Images through encoder and decoder: MSE a pixel, PSNR in dB, SSIM, and MS-SSIM where images are large enough.

    images: of the split, all where None. scales: of MS-SSIM.
    """

    order = 10
    of_images = True
    images: Count | None = None
    scales: Annotated[int, Domain(1, len(near.SCALE_WEIGHTS))] = 5

    def numbers(self, subject: Subject) -> Sequence[Number]:
        mse = Number("mse", "per pixel", "lower", main=True, headline=3)
        return (mse, Number("psnr", "dB", "higher", main=True), *SIMILAR)

    def values(self, subject: Subject) -> dict[str, Value | NotApplicable]:
        reconstructing(subject)
        small = self.too_small(subject)
        measures = [near.mse, near.ssim]
        if small is None:
            measures.append(lambda x, x_hat: near.ms_ssim(x, x_hat, self.scales))
        error, *similar = map(estimate, per_image(subject, self.images, *measures))
        card: dict[str, Any] = {"n": error.n, "code": "posterior mean"}
        width, sigma = near.window(*subject.spec.shape[1:])
        structure = {
            **card, "data_range": 1, "k1": near.K1, "k2": near.K2,
            "window": f"{width}×{width} Gaussian, σ = {sigma:.3g}, where it lies on the image whole",
        }  # fmt: skip
        scales: dict[str, Any] = {**structure, "scales": self.scales}
        values: dict[str, Value | NotApplicable] = {
            "mse": value(
                error.value, standard_error=error.standard_error, **card, **self.collapse(subject, error.value)
            ),
            "psnr": value(near.psnr(error.value), peak=1, of="the mean MSE", **card),
            "ssim": value(similar[0].value, standard_error=similar[0].standard_error, **structure),
        }
        if small is not None:
            return {**values, "ms_ssim": NotApplicable(small, **scales)}
        weights = [round(weight, 4) for weight in near.scale_weights(self.scales)]
        several = similar[1]
        ms_ssim = value(several.value, standard_error=several.standard_error, scale_weights=weights, **scales)
        return {**values, "ms_ssim": ms_ssim}

    def collapse(self, subject: Subject, error: float) -> dict[str, str]:
        """Card entry `collapsed` of a model that decodes little more than the mean image: at most `LITTLE` of the variance."""
        explained = float(1 - error / subject.x(n=self.images).var(0, correction=0).mean())
        return {"collapsed": f"decodes {max(explained, 0):.0%} of the images' variance"} if explained < LITTLE else {}

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
class Perceptual(Measure):
    """LPIPS between images and their reconstructions. images: of the split. weights_path: of AlexNet; None: download.

    Raises PushforwardError where the weights are not available.
    """

    order = 15
    of_images = True
    images: Count | None = 2000
    weights_path: str | None = None

    def numbers(self, subject: Subject) -> Sequence[Number]:
        return (Number("lpips", "LPIPS", "lower"),)

    def values(self, subject: Subject) -> dict[str, Value]:
        reconstructing(subject)
        c, h, w = subject.spec.shape
        if c not in (1, 3):
            raise NotApplicable(f"{c} channels are neither grey nor RGB")
        distance = perceptual.load(self.weights_path).to(subject.device)
        # it was fitted to images: what a decoder puts outside [0, 1] is shown as black or white
        (values,) = per_image(subject, self.images, lambda x, x_hat: distance(x, x_hat.clamp(0, 1)))
        mean = estimate(values)
        shown = f"{h}×{w}" if min(h, w) >= perceptual.PATCH else f"{h}×{w} enlarged to 64×64, bilinear"
        return {
            "lpips": value(
                mean.value, n=mean.n, standard_error=mean.standard_error,
                features=distance.name, features_hash=distance.hash, code="posterior mean",
                preprocessing=shown + (", grey as RGB" if c == 1 else "") + ", clipped to [0, 1]",
            )
        }  # fmt: skip
