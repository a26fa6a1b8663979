"""Terms that hold the distribution of a batch's codes to the prior: by samples of both, or by moments."""

from typing import Literal

import torch
from torch import Tensor

from pushforward.bottlenecks import GaussianPosterior
from pushforward.distributions.matching import inverse_multiquadratic, mmd, rbf, sliced_wasserstein
from pushforward.domains import NonNegative
from pushforward.errors import PushforwardError
from pushforward.numbers import number
from pushforward.objectives.passes import AutoencoderPass
from pushforward.objectives.term import Term
from pushforward.objectives.weighting import Weight
from pushforward.parallel import gather_batch

MATCHED = frozenset({"code", "draws of the prior"})
REMEDY = "The model needs a prior: model=wae_mmd, model=vae."


class MMD(Term[AutoencoderPass]):
    """MMD²(q(z), p(z)) of the batch's codes and as many draws of the prior, in the kernel's unit, ().

    Without bias. kernel: rbf, exp(−‖x − y‖²/d), as Zhao et al. 2019 have it; imq, inverse multiquadratic with C = 2d, that
    of Tolstikhin et al. 2018.
    """

    symbol = "MMD²(q(z), p(z))"
    unit = "kernel"
    couples_batch = True
    needs = MATCHED
    remedy = REMEDY

    def __init__(self, kernel: Literal["rbf", "imq"], weight: NonNegative | Weight = 1.0) -> None:
        super().__init__(weight)
        if kernel not in ("rbf", "imq"):
            raise PushforwardError(f"objective: kernel={kernel} is not known; choose from rbf, imq")
        self.kernel = kernel

    def forward(self, passed: AutoencoderPass) -> Tensor:
        assert passed.prior_codes is not None
        z, drawn = gather_batch(passed.z), gather_batch(passed.prior_codes)
        d = z.shape[1]
        return mmd(z, drawn, rbf((d / 2) ** 0.5) if self.kernel == "rbf" else inverse_multiquadratic(2.0 * d))


class SlicedWasserstein(Term[AutoencoderPass]):
    """SW₂²(q(z), p(z)) of the batch's codes and as many draws of the prior, in squared units of the code, ().

    Along as many random directions as there are images. Kolouri, Pope, Martin & Rohde 2019.
    """

    symbol = "SW₂²(q(z), p(z))"
    unit = "code²"
    couples_batch = True
    needs = MATCHED
    remedy = REMEDY

    def forward(self, passed: AutoencoderPass) -> Tensor:
        assert passed.prior_codes is not None and passed.directions is not None
        return sliced_wasserstein(*map(gather_batch, (passed.z, passed.prior_codes, passed.directions)))


class DisentangledCovariance(Term[AutoencoderPass]):
    """off_diagonal·Σ_{i≠j} C²ᵢⱼ + diagonal·Σᵢ (Cᵢᵢ − 1)², (): Kumar, Sattigeri & Balakrishnan 2018, eq. 6–7 (DIP-VAE).

    kind i: C = Cov[μ(x)] over the batch. kind ii: C = Cov[μ(x)] + E[diag σ²(x)], that of the codes.
    """

    symbol = "‖Cov(z) − I‖²"
    unit = "code⁴"
    couples_batch = True
    needs = frozenset({"Gaussian posterior"})
    remedy = "Use bottleneck=gaussian (model=dip_vae_1)."
    off_diagonal: Tensor
    diagonal: Tensor

    def __init__(
        self,
        kind: Literal["i", "ii"],
        off_diagonal: NonNegative,
        diagonal: NonNegative,
        weight: NonNegative | Weight = 1.0,
    ) -> None:
        super().__init__(weight)
        if kind not in ("i", "ii"):
            raise PushforwardError(f"objective: kind={kind} is not known; choose from i, ii")
        self.kind = kind
        number(self, "off_diagonal", off_diagonal)
        number(self, "diagonal", diagonal)

    def forward(self, passed: AutoencoderPass) -> Tensor:
        posterior = passed.code.posterior
        assert isinstance(posterior, GaussianPosterior)
        mean = gather_batch(posterior.mean)
        centred = mean - mean.mean(0)
        covariance = centred.T @ centred / len(mean)
        if self.kind == "ii":
            covariance = covariance + torch.diag(gather_batch((2 * posterior.log_std).exp()).mean(0))
        diagonal = covariance.diagonal()
        between = covariance.square().sum() - diagonal.square().sum()
        return self.off_diagonal * between + self.diagonal * (diagonal - 1).square().sum()
