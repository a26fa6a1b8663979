"""Probes of codes: classes by logistic regression and by neighbours, factors by a linear map."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

"""(train codes, train targets, test codes, test targets) -> what a probe finds."""


def standardised(
    train: Float[Tensor, "n d"], test: Float[Tensor, "m d"]
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
    """Both less the training mean and over its standard deviation, float64; units that never change become 0."""
    train, test = train.double(), test.double()
    mean, std = train.mean(0), train.std(0, correction=0)
    scale = torch.where(std > 1e-12 * std.max(), 1 / std, torch.zeros_like(std))
    return (train - mean) * scale, (test - mean) * scale


def logistic_accuracy(
    train: Float[Tensor, "n d"],
    y_train: Int[Tensor, " n"],
    test: Float[Tensor, "m d"],
    y_test: Int[Tensor, " m"],
    c: float = 1.0,
    max_iter: int = 200,
) -> float:
    """Share of test codes whose class multinomial logistic regression tells. Alain & Bengio 2017.

    sklearn's, by L-BFGS on standardised codes with the penalty ‖w‖²/2C; it stops after `max_iter` rounds, converged or
    not. One class in training is the answer everywhere.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(y_train.unique()) == 1:
        return float((y_test == y_train[0]).double().mean())
    a, b = standardised(train, test)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a probe stopped at max_iter is a probe all the same
        model = LogisticRegression(C=c, max_iter=max_iter).fit(a.cpu().numpy(), y_train.cpu().numpy())
    return float(model.score(b.cpu().numpy(), y_test.cpu().numpy()))


def knn_accuracy(
    train: Float[Tensor, "n d"],
    y_train: Int[Tensor, " n"],
    test: Float[Tensor, "m d"],
    y_test: Int[Tensor, " m"],
    k: int = 10,
) -> float:
    """Share of test codes with the class of most of their k nearest training codes, standardised. Cover & Hart 1967.

    Of classes with as many votes the lowest number wins.
    """
    from sklearn.neighbors import KNeighborsClassifier

    a, b = standardised(train, test)
    model = KNeighborsClassifier(n_neighbors=min(k, len(a)), algorithm="brute")
    model.fit(a.cpu().numpy(), y_train.cpu().numpy())
    return float(model.score(b.cpu().numpy(), y_test.cpu().numpy()))


def linear_error(
    train: Float[Tensor, "n d"], f_train: Tensor, test: Float[Tensor, "m d"], f_test: Tensor
) -> Float[Tensor, " k"]:
    """Mean squared error on test codes of least squares from codes to factors, in variances of each, shape (k,).

    Codes and factors (n, k) are standardised by their training moments, so that 1 is what the mean alone would give, and
    1 − it is about R². Factors that never change in training are NaN. The solution of least norm, by SVD.
    """
    a, b = standardised(train, test)
    y, z = standardised(f_train, f_test)
    solution = torch.linalg.lstsq(a.cpu(), y.cpu(), driver="gelsd").solution
    error = (b.cpu() @ solution - z.cpu()).square().mean(0)
    return torch.where((y.cpu() != 0).any(0), error, torch.full_like(error, torch.nan))
