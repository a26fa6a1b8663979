"""How noisy a stochastic gradient is: mean, variance and signal-to-noise over draws of its noise, streaming, float64."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from pushforward.errors import PushforwardError
from pushforward.metrics import dimension_moments


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
    metric: GradientVariance | None = None
    for _ in range(repeats):
        g = gradient(generator).detach()
        metric = metric or GradientVariance(len(g))
        metric.update(g)
        if each is not None:
            each(g)
    assert metric is not None
    return metric.spread_of_draws()


def disagreement(a: GradientSpread, b: GradientSpread) -> float:
    """Mean over parameters of z² where z = (ā − b̄)/√(sₐ²/nₐ + s_b²/n_b): 1 in expectation where the means are equal.

    Parameters whose gradient never varies are left out.
    """
    variance = a.variance / a.n + b.variance / b.n
    moves = variance > 0
    return float(((a.mean - b.mean).square()[moves] / variance[moves]).mean())


class GradientVariance(Metric):
    """{"total_variance", "squared_norm"} of flat gradients given one at a time, on any number of processes, float64."""

    full_state_update = False
    spread: Tensor

    def __init__(self, parameters: int) -> None:
        super().__init__()
        self.add_state("spread", dimension_moments.empty(parameters), dist_reduce_fx=dimension_moments.merge)

    def update(self, gradient: Float[Tensor, " p"]) -> None:
        """Welford's step in place: a merge of states would copy them, ten times the cost."""
        g = gradient.detach().to(self.spread)
        count, (mean, deviation) = self.spread[:1], self.spread[1:].chunk(2)
        count += 1
        away = g - mean
        mean += away / count
        deviation += away * (g - mean)

    def spread_of_draws(self) -> GradientSpread:
        return GradientSpread(*dimension_moments.mean_and_variance(self.spread), int(self.spread[0]))

    def compute(self) -> dict[str, Tensor]:
        found = self.spread_of_draws()
        values = {"total_variance": found.total_variance, "squared_norm": found.squared_norm}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
