"""Mutual information gap."""

from jaxtyping import Float, Int
from torch import Tensor

from pushforward.metrics.disentanglement.discrete import discretize, factor_entropy, mutual_information


def mig(codes: Float[Tensor, "n d"], factors: Int[Tensor, "n k"], bins: int = 20) -> float:
    """Mutual information gap, a share: mean over factors of (the largest I(z_i; v_j) − the second) / H(v_j).

    Chen, Li, Grosse & Duvenaud 2018, eq. 6; codes in `bins` bins.
    """
    information = mutual_information(discretize(codes, bins), factors)
    if len(information) < 2:
        return float((information[0] / factor_entropy(factors)).mean())
    first, second = information.topk(2, 0).values
    return float(((first - second) / factor_entropy(factors)).mean())
