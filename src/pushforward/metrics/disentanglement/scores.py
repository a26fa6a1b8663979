"""All scores of one code, and the metric that gathers codes over batches and processes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from pushforward.errors import PushforwardError
from pushforward.metrics.disentanglement.beta_vae import beta_vae_score
from pushforward.metrics.disentanglement.dci import dci
from pushforward.metrics.disentanglement.factor_vae import factor_vae_score
from pushforward.metrics.disentanglement.mig import mig
from pushforward.metrics.disentanglement.modularity import modularity
from pushforward.metrics.disentanglement.sap import sap
from pushforward.seeds import generator


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


class Disentanglement(Metric):
    """The eight scores of all codes seen, in batches of any size and on any number of processes.

    Codes handed with `held_out=True` are those that DCI and SAP are tested on.
    """

    full_state_update = False
    codes: list[Tensor]
    factors: list[Tensor]
    test_codes: list[Tensor]
    test_factors: list[Tensor]

    def __init__(self, settings: Settings | None = None, seed: int = 0) -> None:
        super().__init__()
        self.settings, self.seed = settings or Settings(), seed
        for name in ("codes", "factors", "test_codes", "test_factors"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, codes: Float[Tensor, "n d"], factors: Int[Tensor, "n k"], *, held_out: bool = False) -> None:
        (self.test_codes if held_out else self.codes).append(codes)
        (self.test_factors if held_out else self.factors).append(factors)

    def compute(self) -> dict[str, float]:
        states = (self.codes, self.factors, self.test_codes, self.test_factors)
        if not all(len(state) for state in states):
            raise PushforwardError("disentanglement: it takes codes to learn from and codes held out; one is missing.")
        codes, factors, test_codes, test_factors = (dim_zero_cat(state).cpu() for state in states)
        return scores(codes, factors, test_codes, test_factors, partial(generator, "cpu", self.seed), self.settings)
