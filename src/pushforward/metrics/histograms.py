"""Counts of labels and of the levels of pixels, over batches and processes, and the entropies they give."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torchmetrics import Metric

from pushforward.errors import PushforwardError
from pushforward.metrics.information import Unit, cross_entropy, entropy

COUNTED = 2**22
"""Pixels that are counted at once."""


def shares(counts: Shaped[Tensor, "*n k"], pseudo: float = 0.0) -> Float[Tensor, "*n k"]:
    """(count + pseudo) / total over the last axis, float64.

    pseudo: ½ is Krichevsky & Trofimov's 1981, so that what was never seen can be coded too.
    """
    smoothed = counts.double() + pseudo
    total = smoothed.sum(-1, keepdim=True)
    if not bool((total > 0).all()):
        raise PushforwardError("a histogram counted nothing: give at least one sample before asking for shares.")
    return smoothed / total


def label_entropy(labels: Int[Tensor, " n"], *, unit: Unit = "nats") -> Float[Tensor, ""]:
    """Entropy of the labels' shares (plug-in: biased down by about (classes − 1)/2n nats, Miller 1955)."""
    return entropy(shares(torch.bincount(labels)), unit=unit)


class PixelHistogram(Metric):
    """The frequency of each level at each position of an image, over batches and processes.

    `compute` gives bits per dimension: "marginal", the mean over positions of each position's entropy (what a code of
    independent pixels needs at least), and "pooled", the entropy of a pixel at a position unknown, which is no less.
    """

    full_state_update = False
    counts: Tensor

    def __init__(self, dim: int, levels: int) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(dim, levels, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, x: Shaped[Tensor, " n *shape"]) -> None:
        """x: levels of pixels, integers."""
        dim, levels = self.counts.shape
        x = x.flatten(1)
        if x.shape[1] != dim or (len(x) and not 0 <= int(x.min()) <= int(x.max()) < levels):
            raise PushforwardError(f"PixelHistogram: expected images of {dim} pixels with levels 0 … {levels - 1}.")
        offset = levels * torch.arange(dim, device=x.device)
        for part in x.split(max(1, COUNTED // dim)):
            found = torch.bincount((part + offset).flatten(), minlength=dim * levels)
            self.counts += found.view(dim, levels)

    def compute(self) -> dict[str, Tensor]:
        return {
            "marginal": entropy(shares(self.counts), unit="bits").mean(),
            "pooled": entropy(shares(self.counts.sum(0)), unit="bits"),
        }

    def code_length(self, coder: "PixelHistogram") -> Float[Tensor, ""]:
        """Bits per dimension of these images under independent pixels whose code was learnt from `coder`'s images."""
        return cross_entropy(shares(self.counts), shares(coder.counts, 0.5), unit="bits").mean()
