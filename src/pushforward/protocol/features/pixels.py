"""Pixels themselves, on the leading principal components of the training images."""

import json
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.data import DataModule
from pushforward.domains import Count
from pushforward.metrics.baselines import principal_components
from pushforward.protocol.features.base import NoFeatures, batched, digest
from pushforward.protocol.subject import raw_images


class PixelFeatures:
    """images (n, c, h, w) in [0, 1] → coordinates (n, d) along the leading components, not whitened: in units of a pixel.

    hash: of the images that the basis comes from, and of d, which determine it. Its last bits depend on the machine, but
    distances do not see them.
    """

    name = "pixels"

    def __init__(self, mean: Float[Tensor, " p"], basis: Float[Tensor, "p d"], hash: str, variance: float) -> None:
        self.mean, self.basis, self.hash, self.variance = mean.float(), basis.float(), hash, variance

    def __call__(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return batched(lambda part: (part.flatten(1) - self.mean) @ self.basis, x, self.mean.device)

    def to(self, device: torch.device | str) -> Self:
        self.mean, self.basis = self.mean.to(device), self.basis.to(device)
        return self

    @property
    def card(self) -> dict[str, Any]:
        d = self.basis.shape[1]
        return {
            "features": self.name,
            "features_hash": self.hash,
            "features_layer": f"{d} principal components of training pixels, {100 * self.variance:.1f} % of the variance",
            "features_weights": "from the training images",
            "preprocessing": "images in [0, 1], less the mean, not whitened",
        }


def for_data(data: DataModule, components: Count = 84) -> PixelFeatures:
    """The basis of the data's training images. Raises NoFeatures of points."""
    if not data.spec.is_image:
        raise NoFeatures("the data are points, not images")
    x = raw_images(data, "train")
    mean, basis, variances, total = principal_components(x, components)
    about = json.dumps([list(x.shape), basis.shape[1]]).encode()
    return PixelFeatures(mean, basis, digest(about, x.numpy())[:16], float(variances.sum() / total))
