"""Parzen windows: the log-likelihood of images under a Gaussian about each of a model's samples."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.errors import PushforwardError

BLOCK = 2048
"""Images and samples whose distances are held at once: 34 MB of float64, whatever their numbers."""


def parzen_log_prob(
    x: Float[Tensor, " n *shape"], samples: Float[Tensor, " m *shape"], bandwidths: Sequence[float]
) -> Float[Tensor, "h n"]:
    """log (1/m) Σⱼ N(x; sⱼ, h²I), nats per image, for each bandwidth h, float64. Breuleux, Bengio & Vincent 2011."""
    if not bandwidths or min(bandwidths) <= 0:
        raise PushforwardError(f"Parzen window: bandwidths {list(bandwidths)} have to be above 0, and at least one")
    images, centres = x.flatten(1), samples.flatten(1)
    origin = centres.mean(0, dtype=torch.float64)  # near it less cancels in |x|² + |s|² − 2x·s
    precisions = [0.5 / h**2 for h in bandwidths]
    found = []
    for part in (p.double() - origin for p in images.split(BLOCK)):
        total = part.new_full((len(precisions), len(part)), -math.inf)
        for near in (c.double() - origin for c in centres.split(BLOCK)):
            square = torch.addmm(near.square().sum(1), part, near.T, alpha=-2)
            square = square.add_(part.square().sum(1)[:, None]).clamp_(min=0)
            total = torch.logaddexp(total, torch.stack([torch.logsumexp(-p * square, 1) for p in precisions]))
        found.append(total)
    m, d = centres.shape
    log_volume = origin.new_tensor([math.log(m) + 0.5 * d * math.log(2 * math.pi * h**2) for h in bandwidths])
    return torch.cat(found, 1) - log_volume[:, None]


def best_bandwidth(
    validation: Float[Tensor, " n *shape"], samples: Float[Tensor, " m *shape"], bandwidths: Sequence[float]
) -> float:
    """The bandwidth under which held-out images are likeliest on average. Goodfellow et al. 2014, sec. 5."""
    means = parzen_log_prob(validation, samples, bandwidths).mean(1)
    return float(bandwidths[int(means.argmax())])


def bandwidth_grid(low: float, high: float, steps: int) -> list[float]:
    """`steps` bandwidths from low to high, evenly spaced in their logarithm."""
    if not 0 < low <= high or steps < 1:
        raise PushforwardError(f"Parzen window: a grid of {steps} bandwidths from {low:g} to {high:g} is empty")
    return torch.logspace(math.log10(low), math.log10(high), steps, dtype=torch.float64).tolist()
