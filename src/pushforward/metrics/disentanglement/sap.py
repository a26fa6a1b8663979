"""Separated attribute predictability."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.metrics.disentanglement.sampling import seed, standardize


def sap(
    codes: Float[Tensor, "n d"],
    factors: Int[Tensor, "n k"],
    test_codes: Float[Tensor, "m d"],
    test_factors: Int[Tensor, "m k"],
    generator: torch.Generator,
    *,
    continuous: bool = False,
) -> float:
    """SAP score, a share: mean over factors of (how well the best single dimension predicts it − the second best).

    Kumar, Sattigeri & Balakrishnan 2018, sec. 3. continuous: the squared correlation on the training codes; else the
    accuracy on test codes of a linear support vector machine (C = 0.01, balanced classes) on the one dimension,
    standardised so that a code's scale does not matter. One line through one dimension cannot part many ordered values:
    a code equal to the factors scores about 1 only where they are taken as continuous.
    """
    predicts = squared_correlation(codes, factors) if continuous else accuracy(
        codes, factors, test_codes, test_factors, seed(generator)
    )  # fmt: skip
    if len(predicts) < 2:
        return float(predicts.mean())
    first, second = predicts.topk(2, 0).values
    return float((first - second).mean())


def squared_correlation(codes: Float[Tensor, "n d"], factors: Int[Tensor, "n k"]) -> Float[Tensor, "d k"]:
    """Squared correlation of each dimension with each factor's value index, float64; 0 for a constant dimension."""
    z, v = standardize(codes, codes), standardize(factors, factors)
    return (z.T @ v / (len(z) - 1)).square()


def accuracy(
    codes: Float[Tensor, "n d"],
    factors: Int[Tensor, "n k"],
    test_codes: Float[Tensor, "m d"],
    test_factors: Int[Tensor, "m k"],
    random_state: int,
) -> Float[Tensor, "d k"]:
    """Share of test rows whose factor a linear support vector machine tells from one dimension, float64."""
    from sklearn.svm import LinearSVC

    z, zt = standardize(codes, codes).T.unsqueeze(2).numpy(), standardize(test_codes, codes).T.unsqueeze(2).numpy()
    v, vt = factors.T.numpy(), test_factors.T.numpy()
    found = torch.zeros(len(z), len(v), dtype=torch.float64)
    for i in range(len(z)):
        for j in range(len(v)):
            model = LinearSVC(C=0.01, class_weight="balanced", dual=False, random_state=random_state)
            found[i, j] = float(model.fit(z[i], v[j]).score(zt[i], vt[j]))
    return found
