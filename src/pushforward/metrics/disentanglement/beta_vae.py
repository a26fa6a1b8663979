"""The β-VAE score."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.metrics.disentanglement.sampling import draw, seed, sharing, standardize

CHUNK = 256


def beta_vae_score(
    codes: Float[Tensor, "n d"],
    factors: Int[Tensor, "n k"],
    generator: torch.Generator,
    *,
    pairs: int = 64,
    train: int = 10_000,
    test: int = 5_000,
) -> float:
    """β-VAE score, a share: accuracy of a linear classifier that tells which factor two images have in common.

    Its input is the mean of |z − z'| over `pairs` pairs of rows that share the factor's value. Higgins et al. 2017, sec. 3.
    Chance is 1/k. Codes are standardised first: disentanglement_lib takes them as they are, and its score then hangs on
    their scale through the classifier's penalty.
    """
    from sklearn.linear_model import LogisticRegression

    z, k = standardize(codes, codes), factors.shape[1]
    fixed = draw(k, train + test, generator)
    inputs = torch.empty(len(fixed), z.shape[1], dtype=z.dtype)
    for j in range(k):
        for votes in (fixed == j).nonzero().flatten().split(CHUNK):
            first = draw(len(z), len(votes) * pairs, generator)
            second = sharing(factors[:, j], first, 1, generator).squeeze(1)
            inputs[votes] = (z[first] - z[second]).abs().view(len(votes), pairs, -1).mean(1)
    x, y = inputs.numpy(), fixed.numpy()
    model = LogisticRegression(max_iter=1000, random_state=seed(generator)).fit(x[:train], y[:train])
    return float(model.score(x[train:], y[train:]))
