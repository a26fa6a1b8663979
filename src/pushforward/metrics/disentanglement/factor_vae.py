"""The FactorVAE score."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.metrics.disentanglement.sampling import draw, sharing, standardize

CHUNK = 256


def factor_vae_score(
    codes: Float[Tensor, "n d"],
    factors: Int[Tensor, "n k"],
    generator: torch.Generator,
    *,
    batch: int = 64,
    train: int = 10_000,
    test: int = 5_000,
) -> float:
    """FactorVAE score, a share: accuracy of the majority vote from the dimension of least variance to the fixed factor.

    Variances are those of `batch` rows that share the factor's value, of the code standardised over all rows: no dimension's
    scale matters. Kim & Mnih 2018, sec. 4. Chance is 1/k. A constant dimension cannot win; a code without any other scores 0.
    disentanglement_lib leaves out dimensions whose deviation is below .05 as collapsed, which codes far from a unit prior make
    a matter of scale; dimensions that are noise beside an informative one do not win here either.
    """
    z, k = standardize(codes, codes), factors.shape[1]
    z = z[:, (z != 0).any(0)]
    if not z.shape[1]:
        return 0.0
    fixed = draw(k, train + test, generator)
    winner = torch.empty_like(fixed)
    for j in range(k):
        for votes in (fixed == j).nonzero().flatten().split(CHUNK):
            rows = sharing(factors[:, j], draw(len(z), len(votes), generator), batch, generator)
            winner[votes] = z[rows].var(1).argmin(1)
    counts = torch.bincount(winner[:train] * k + fixed[:train], minlength=z.shape[1] * k).view(-1, k)
    return float((counts.argmax(1)[winner[train:]] == fixed[train:]).double().mean())
