"""The parts of a rate: mutual information, total correlation, dimension-wise KL; active units of a posterior.

Each is a mean over images of one code z ~ q(z|x) an image, with q(z) the aggregate over the same images, exactly.
"""

from jaxtyping import Float
from torch import Tensor

from pushforward.distributions.aggregate import log_aggregate, take_apart
from pushforward.distributions.gaussian import log_normal
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
    correlation depends on n too. The standard errors take q(z) as given.
    """
    z, mean, log_std, log_prior = (t.double() for t in (z, mean, log_std, log_prior))
    parts = take_apart(log_normal(z, mean, log_std), log_aggregate(z, mean, log_std), log_prior)
    values = {**parts._asdict(), "marginal_kl": parts.total_correlation + parts.dimension_kl}
    return {name: estimate(value) for name, value in values.items()}


def active_units(mean: Float[Tensor, "n d"], threshold: float = ACTIVE) -> int:
    """Units whose posterior mean varies by more than `threshold` over images, Var_x(E_q[zⱼ|x]). Burda et al. 2016."""
    z = mean.detach().double()
    variance = (z - z.mean(0)).square().sum(0) / (len(z) - 1)
    return int((variance > threshold).sum())
