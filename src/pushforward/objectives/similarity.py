"""Reconstruction by structural similarity."""

from typing import Annotated

import torch
from torch import Tensor

from pushforward.distributions.likelihoods import single
from pushforward.distributions.similarity import SCALE_WEIGHTS, most_scales, scale_weights, scales_of
from pushforward.domains import Domain, NonNegative
from pushforward.objectives.passes import AutoencoderPass
from pushforward.objectives.term import Term
from pushforward.objectives.weighting import Weight

LEAST = 0.01
"""The value of a scale below which its power is continued by its tangent."""


class Dissimilarity(Term[AutoencoderPass]):
    """1 − MS-SSIM(x, x̂), (n,), x̂ the decoder's mean: 0 for equal images. Snell et al. 2017; Wang, Simoncelli & Bovik 2003.

    scales: at most as many as the images allow; null: all of these. One scale is SSIM. The power of a scale has its tangent
    below 0.01: a negative value has no real power, and near 0 the slope has no bound.
    """

    symbol = "(1 − MS-SSIM(x, x̂))"
    unit = "1 − SSIM"
    needs = frozenset({"bounded images", "decoder"})
    remedy = "It compares images of known range and at least 3×3 pixels; use objective.reconstruction."

    def __init__(
        self, scales: Annotated[int, Domain(1, len(SCALE_WEIGHTS))] | None, weight: NonNegative | Weight = 1.0
    ) -> None:
        super().__init__(weight)
        self.scales = scales

    def forward(self, passed: AutoencoderPass) -> Tensor:
        leading = passed.params.shape[: passed.params.ndim - passed.x.ndim]
        x = single(passed.x).expand(*leading, *passed.x.shape[1:]).flatten(0, len(leading) - 1)
        x_hat = passed.likelihood.mean(passed.params.flatten(0, len(leading) - 1))
        most = most_scales(*x.shape[2:])
        scales = most if self.scales is None else min(self.scales, most)
        found = torch.ones_like(x[:, 0, 0, 0])
        width = passed.spec.high - passed.spec.low
        for value, weight in zip(scales_of(x, x_hat, scales, width), scale_weights(scales), strict=True):
            found = found * power(value, weight)
        value = (1 - found).view(leading)
        return value if value.ndim == 1 else value.mean(0)


def power(value: Tensor, weight: float) -> Tensor:
    """value^weight, and below `LEAST` its tangent there."""
    tangent = LEAST**weight + weight * LEAST ** (weight - 1) * (value - LEAST)
    return torch.where(value > LEAST, value.clamp(min=LEAST) ** weight, tangent)
