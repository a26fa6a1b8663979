"""Disentanglement, completeness, informativeness."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.metrics.disentanglement.sampling import seed, standardize
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
