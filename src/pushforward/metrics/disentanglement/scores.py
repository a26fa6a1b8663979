"""All scores of one code, and the metric that gathers codes over batches and processes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.errors import PushforwardError
from pushforward.metrics.disentanglement.gaps import mig, modularity
from pushforward.metrics.disentanglement.predictors import dci, sap
from pushforward.metrics.disentanglement.votes import beta_vae_score, factor_vae_score


@dataclass(frozen=True)
class Settings:
    """bins of a code for mutual information; votes and test_votes of `batch` rows each; trees of DCI's forests."""

    bins: int = 20
    votes: int = 10_000
    test_votes: int = 5_000
    batch: int = 64
    trees: int = 10
    continuous: bool = False


def scores(
    codes: Float[Tensor, "n d"],
    factors: Int[Tensor, "n k"],
    test_codes: Float[Tensor, "m d"],
    test_factors: Int[Tensor, "m k"],
    noise: Callable[[str], torch.Generator],
    settings: Settings,
) -> dict[str, float]:
    """The eight scores by name; `noise` gives each its own generator. A factor that takes one value is refused."""
    if bool((factors == factors[0]).all(0).any()):
        raise PushforwardError("disentanglement: a factor takes one value alone; leave it out, or take more images.")
    s, z, test_z = settings, codes.detach(), test_codes.detach()
    d, c, i = dci(z, factors, test_z, test_factors, noise("dci"), trees=s.trees)
    return {
        "mig": mig(z, factors, s.bins),
        "dci_disentanglement": d,
        "dci_completeness": c,
        "dci_informativeness": i,
        "sap": sap(z, factors, test_z, test_factors, noise("sap"), continuous=s.continuous),
        "modularity": modularity(z, factors, s.bins),
        "beta_vae_score": beta_vae_score(
            z, factors, noise("beta_vae"), pairs=s.batch, train=s.votes, test=s.test_votes
        ),
        "factor_vae_score": factor_vae_score(
            z, factors, noise("factor_vae"), batch=s.batch, train=s.votes, test=s.test_votes
        ),
    }
