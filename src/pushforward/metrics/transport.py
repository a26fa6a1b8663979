"""Wasserstein distances between clouds of points, by exact optimal transport."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.errors import PushforwardError

MOST = 2500
"""Points in a cloud: the solver's time grows a little faster than their square, and its matrix takes 8 bytes a pair."""
STEPS = 10**8
"""Pivots after which the network simplex would give up; a cloud of `MOST` points takes some 10⁵."""


def wasserstein(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], p: Literal[1, 2]) -> float:
    """W_p = (min over couplings of the mean of ‖x − y‖^p)^{1/p} between two clouds of equal weights, in the data's unit.

    Exact (network simplex of POT, Bonneel et al. 2011), float64. It is that of the *clouds*: for samples of one and the
    same distribution it is not 0 but falls with n, so it is read beside the distance of two clouds of the truth.
    Raises PushforwardError for more than `MOST` points, unequal dimensions, or points that are not finite.
    """
    if p not in (1, 2):
        raise PushforwardError(f"wasserstein: p={p} is not known: use 1 or 2.")
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise PushforwardError(
            f"wasserstein: clouds {tuple(x.shape)} and {tuple(y.shape)}; expected (n, d) and (m, d)."
        )
    if not 0 < min(len(x), len(y)) <= max(len(x), len(y)) <= MOST:
        raise PushforwardError(f"wasserstein: clouds of {len(x)} and {len(y)} points; give 1 to {MOST} of each.")
    x, y = x.detach().double().cpu(), y.detach().double().cpu()
    cost = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    if not bool(cost.isfinite().all()):
        raise PushforwardError("wasserstein: a point is not finite; leave out the samples that diverged.")
    value = _transport(cost if p == 1 else cost.square())
    return value if p == 1 else value**0.5


def _transport(cost: Float[Tensor, "n m"]) -> float:
    """The least mean cost of a coupling of two uniform distributions."""
    try:
        from ot import emd2
    except ImportError:
        raise PushforwardError("exact optimal transport needs POT: pip install pot.") from None
    value, log = emd2([], [], cost.numpy(), numItermax=STEPS, log=True)
    if log["warning"] is not None:
        raise PushforwardError(f"wasserstein: the solver stopped early ({log['warning']}); give fewer points.")
    return max(float(value), 0.0)
