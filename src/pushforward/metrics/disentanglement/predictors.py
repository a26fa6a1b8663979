"""The scores by predictors of factors from codes: disentanglement, completeness, informativeness; SAP."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.metrics.disentanglement.votes import seed, standardize
from pushforward.metrics.information import entropy


class DCI(NamedTuple):
    disentanglement: float
    completeness: float
    informativeness: float


def dci(
    codes: Float[Tensor, "n d"],
    factors: Int[Tensor, "n k"],
    test_codes: Float[Tensor, "m d"],
    test_factors: Int[Tensor, "m k"],
    generator: torch.Generator,
    *,
    trees: int = 10,
    leaf: int = 5,
) -> DCI:
    """Disentanglement, completeness and informativeness, shares. Eastwood & Williams 2018, sec. 2.

    How much a dimension matters for a factor is its importance in a forest of `trees` trees that predicts the factor,
    each split chosen among all dimensions, at least `leaf` rows in a leaf; informativeness is the forests' mean accuracy
    on test codes. The paper has random forests too; disentanglement_lib's boosted trees take minutes.
    """
    from sklearn.ensemble import RandomForestClassifier

    # standardised: scikit-learn takes a dimension that spans less than 1e-7 for constant
    x, xt = standardize(codes, codes).float().numpy(), standardize(test_codes, codes).float().numpy()
    columns, accuracies = [], []
    for v, vt in zip(factors.T.numpy(), test_factors.T.numpy(), strict=True):
        forest = RandomForestClassifier(
            trees, max_features=None, min_samples_leaf=leaf, random_state=seed(generator), n_jobs=1
        ).fit(x, v)
        columns.append(torch.from_numpy(forest.feature_importances_).double())
        accuracies.append(float(forest.score(xt, vt)))
    importance = torch.stack(columns, 1)
    return DCI(disentanglement(importance), completeness(importance), sum(accuracies) / len(accuracies))


def disentanglement(importance: Float[Tensor, "d k"]) -> float:
    """Mean over dimensions, weighted by their importance, of 1 − the entropy of what they matter for, base k."""
    return _purity(importance)


def completeness(importance: Float[Tensor, "d k"]) -> float:
    """Mean over factors, weighted by their importance, of 1 − the entropy of the dimensions that matter, base d."""
    return _purity(importance.T)


def _purity(importance: Float[Tensor, "a b"]) -> float:
    total = importance.sum(1)
    if not bool(total.any()) or importance.shape[1] < 2:
        return 0.0 if not bool(total.any()) else 1.0
    shares = importance / total.where(total > 0, torch.ones_like(total)).unsqueeze(1)
    spread = entropy(shares.where(total.unsqueeze(1) > 0, torch.full_like(shares, 1 / importance.shape[1])))
    return float(((1 - spread / math.log(importance.shape[1])) * total / total.sum()).sum())


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
