"""The noise of a stochastic gradient: mean, variance and signal-to-noise over draws of its noise, streaming, float64."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.errors import PushforwardError


class GradientSpread(NamedTuple):
    """Mean and unbiased variance of each parameter's gradient, (p,), over `n` draws."""

    mean: Tensor
    variance: Tensor
    n: int

    @property
    def total_variance(self) -> float:
        """Trace of the gradient's covariance, E‖g − E g‖², in squared units of the loss."""
        return float(self.variance.sum())

    @property
    def signal_to_noise(self) -> Float[Tensor, " p"]:
        """|E g| / √Var g of each parameter; NaN for one whose gradient is always zero. Rainforth et al. 2018."""
        return self.mean.abs() / self.variance.sqrt()

    @property
    def squared_norm(self) -> float:
        """‖E g‖², without the part that is noise of a mean over n draws: ‖ḡ‖² − tr Cov / n. May be negative."""
        return float(self.mean.square().sum()) - self.total_variance / self.n


def gradient_spread(
    gradient: Callable[[torch.Generator], Float[Tensor, " p"]],
    repeats: int,
    generator: torch.Generator,
    each: Callable[[Tensor], None] | None = None,
) -> GradientSpread:
    """Mean and variance of `gradient(generator)` over `repeats` draws, one in memory at a time. Welford 1962.

    each: is handed every gradient, for what is wanted of them beside.
    """
    if repeats < 2:
        raise PushforwardError(f"Gradient variance: {repeats} draw; a variance needs at least 2 repeats.")
    mean, deviation = torch.zeros(()), torch.zeros(())
    for n in range(1, repeats + 1):
        found = gradient(generator).detach()
        g = found.to("cpu", torch.float64)
        if n == 1:
            mean, deviation = torch.zeros_like(g), torch.zeros_like(g)
        away = g - mean
        mean += away / n
        deviation += away * (g - mean)
        if each is not None:
            each(found)
    return GradientSpread(mean, deviation / (repeats - 1), repeats)


def disagreement(a: GradientSpread, b: GradientSpread) -> float:
    """Mean over parameters of z² where z = (ā − b̄)/√(sₐ²/nₐ + s_b²/n_b): 1 in expectation where the means are equal.

    Parameters whose gradient never varies are left out.
    """
    variance = a.variance / a.n + b.variance / b.n
    moves = variance > 0
    return float(((a.mean - b.mean).square()[moves] / variance[moves]).mean())
