"""The FactorVAE score."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.metrics.disentanglement.sampling import draw, sharing

CHUNK = 256


def factor_vae_score(
    codes: Float[Tensor, "n d"],
    factors: Int[Tensor, "n k"],
    generator: torch.Generator,
    *,
    batch: int = 64,
    train: int = 10_000,
    test: int = 5_000,
    threshold: float = 0.05,
) -> float:
    """FactorVAE score, a share: accuracy of the majority vote from the dimension of least variance to the fixed factor.

    Variances are those of `batch` rows that share the factor's value, over the variance of all. Kim & Mnih 2018, sec. 4.
    Chance is 1/k. Dimensions whose deviation is below `threshold` times the largest have collapsed and cannot win
    (disentanglement_lib's threshold is absolute, for codes near a unit prior); a code without any other scores 0.
    """
    z, k = codes.double(), factors.shape[1]
    overall = z.var(0)
    active = (overall > 0) & (overall.sqrt() >= threshold * overall.sqrt().max())
    if not bool(active.any()):
        return 0.0
    z, overall = z[:, active], overall[active]
    fixed = draw(k, train + test, generator)
    winner = torch.empty_like(fixed)
    for j in range(k):
        for votes in (fixed == j).nonzero().flatten().split(CHUNK):
            rows = sharing(factors[:, j], draw(len(z), len(votes), generator), batch, generator)
            winner[votes] = (z[rows].var(1) / overall).argmin(1)
    counts = torch.bincount(winner[:train] * k + fixed[:train], minlength=z.shape[1] * k).view(-1, k)
    return float((counts.argmax(1)[winner[train:]] == fixed[train:]).double().mean())
