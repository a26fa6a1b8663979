"""The scores that ask which factor was fixed, of rows that share its value: β-VAE and FactorVAE."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

ROUNDING = 1e-12
"""A deviation relative to the values that float64's rounding alone can give."""


def sharing(
    values: Int[Tensor, " n"], rows: Int[Tensor, " m"], each: int, generator: torch.Generator
) -> Int[Tensor, "m each"]:
    """For each of `rows`, `each` rows with its value, drawn with replacement."""
    order = values.argsort(stable=True)
    _, kind, counts = values.unique(return_inverse=True, return_counts=True)
    starts, mine = counts.cumsum(0) - counts, kind[rows].unsqueeze(1)
    u = torch.rand(len(rows), each, generator=generator, dtype=torch.float64)
    return order[starts[mine] + (u * counts[mine]).long()]


def draw(n: int, size: int, generator: torch.Generator) -> Int[Tensor, " size"]:
    """`size` of 0..n−1, with replacement."""
    return torch.randint(n, (size,), generator=generator)


def standardize(codes: Float[Tensor, "n d"], like: Float[Tensor, "m d"]) -> Float[Tensor, "n d"]:
    """Codes with the mean 0 and the variance 1 of `like`, float64; a constant dimension is 0."""
    z, scale = like.double(), like.double().std(0)
    scale = scale.where(scale > ROUNDING * z.abs().amax(0), 0.0)  # the mean of equal numbers may be off by rounding
    return torch.where(scale > 0, (codes.double() - z.mean(0)) / scale.where(scale > 0, torch.ones_like(scale)), 0.0)


def seed(generator: torch.Generator) -> int:
    """A seed for scikit-learn."""
    return int(torch.randint(2**31 - 1, (), generator=generator))


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
    Chance is 1/k. Codes are standardised first: disentanglement_lib takes them as they are, and its score then depends on
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
