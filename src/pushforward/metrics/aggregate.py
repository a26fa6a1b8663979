"""What a rate is made of: mutual information, total correlation, dimension-wise KL; active units of a posterior.

Each is a mean over images of one code z ~ q(z|x) an image, with q(z) the aggregate over the same images, exactly.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from pushforward.distributions.aggregate import log_aggregate, take_apart
from pushforward.distributions.gaussian import log_normal
from pushforward.metrics import dimension_moments
from pushforward.metrics.likelihood import Estimate, estimate

ACTIVE = 0.01
"""Variance of the posterior mean over the data from which on a unit is active. Burda et al. 2016, app. C."""


def parts_of_rate(
    z: Float[Tensor, "n d"],
    mean: Float[Tensor, "n d"],
    log_std: Float[Tensor, "n d"],
    log_prior: Float[Tensor, " n"],
) -> dict[str, Estimate]:
    """{"mutual_information", "total_correlation", "dimension_kl", "marginal_kl"}, nats, float64. Hoffman & Johnson 2016.

    I_q(x; z) + TC + Σⱼ KL(q(zⱼ) ‖ p(zⱼ)) = E log q(z|x)/p(z), whose expectation is the rate; marginal_kl is
    KL(q(z) ‖ p(z)), the last two together. I is at most ln n: where it is near, posteriors hardly overlap, and the total
    correlation hangs on n too. The standard errors take q(z) as given.
    """
    z, mean, log_std, log_prior = (t.double() for t in (z, mean, log_std, log_prior))
    parts = take_apart(log_normal(z, mean, log_std), log_aggregate(z, mean, log_std), log_prior)
    values = {**parts._asdict(), "marginal_kl": parts.total_correlation + parts.dimension_kl}
    return {name: estimate(value) for name, value in values.items()}


def active_units(mean: Float[Tensor, "n d"], threshold: float = ACTIVE) -> int:
    """Units whose posterior mean varies by more than `threshold` over images, Var_x(E_q[zⱼ|x]). Burda et al. 2016."""
    return int(_active(dimension_moments.of(mean), threshold))


class PartsOfRate(Metric):
    """`parts_of_rate` over batches and processes: the codes are gathered, for q(z) is over all of them."""

    full_state_update = False
    z: list[Tensor]
    mean: list[Tensor]
    log_std: list[Tensor]
    log_prior: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("z", "mean", "log_std", "log_prior"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(
        self,
        z: Float[Tensor, "n d"],
        mean: Float[Tensor, "n d"],
        log_std: Float[Tensor, "n d"],
        log_prior: Float[Tensor, " n"],
    ) -> None:
        for name, value in {"z": z, "mean": mean, "log_std": log_std, "log_prior": log_prior}.items():
            getattr(self, name).append(value.detach().double())

    def compute(self) -> dict[str, Tensor]:
        whole = [dim_zero_cat(state) for state in (self.z, self.mean, self.log_std, self.log_prior)]
        found = parts_of_rate(*whole)
        return {name: torch.tensor(part.value, dtype=torch.float64) for name, part in found.items()}


class ActiveUnits(Metric):
    """`active_units` over batches and processes, from count, mean and squared deviation of each unit."""

    full_state_update = False
    spread: Tensor

    def __init__(self, code_dim: int, threshold: float = ACTIVE) -> None:
        super().__init__()
        self.threshold = threshold
        self.add_state("spread", dimension_moments.empty(code_dim), dist_reduce_fx=dimension_moments.merge)

    def update(self, mean: Float[Tensor, "n d"]) -> None:
        self.spread = dimension_moments.merge(torch.stack([self.spread, dimension_moments.of(mean)]))

    def compute(self) -> Tensor:
        return _active(self.spread, self.threshold)


def _active(of_units: Tensor, threshold: float) -> Tensor:
    return (dimension_moments.mean_and_variance(of_units)[1] > threshold).sum()
