"""Terms of a codebook: commitment of the encoder, and perplexity of its use."""

import torch
from torch import Tensor

from pushforward.objectives.passes import AutoencoderPass
from pushforward.objectives.term import Term
from pushforward.parallel import gather_batch

REMEDY = "Use bottleneck VectorQuantizer (model=vq_vae)."


class Commitment(Term[AutoencoderPass]):
    """‖zₑ − sg(e)‖² over all places, (n,), in squared units of the code; its weight is β. van den Oord et al. 2017, eq. 3."""

    symbol = "‖zₑ − sg(e)‖²"
    unit = "code²"
    needs = frozenset({"codebook"})
    remedy = REMEDY

    def forward(self, passed: AutoencoderPass) -> Tensor:
        extras = passed.code.extras
        return (extras["value"] - extras["chosen"].detach()).square().flatten(1).sum(1)


class Perplexity(Term[AutoencoderPass]):
    """exp H(p), (), where p are the shares in which the global batch uses the K vectors: from 1 to K.

    It has no gradient: the weight 0 reports it.
    """

    symbol = "exp H(e)"
    unit = "vectors"
    couples_batch = True
    needs = frozenset({"codebook"})
    remedy = REMEDY

    def forward(self, passed: AutoencoderPass) -> Tensor:
        return torch.special.entr(gather_batch(passed.code.extras["usage"]).mean(0)).sum().exp()
