"""Penalties on codes, and on the slopes of encoder and decoder."""

import torch
from torch import Tensor

from pushforward.distributions.input_gradient import squared_slopes
from pushforward.domains import NonNegative
from pushforward.objectives.passes import AutoencoderPass
from pushforward.objectives.term import Term
from pushforward.objectives.weighting import Weight


class CodeNorm(Term[AutoencoderPass]):
    """½‖z‖², in squared units of the code, (n,). Ghosh et al. 2020, eq. 8 (RAE)."""

    symbol = "½‖z‖²"
    unit = "code²"
    needs = frozenset({"code"})

    def forward(self, passed: AutoencoderPass) -> Tensor:
        return 0.5 * passed.z.square().sum(-1)


class DecoderNorm(Term[AutoencoderPass]):
    """½‖θ‖² over the decoder's weights, the same for each image, (n,). Ghosh et al. 2020, eq. 9 (RAE-L2)."""

    symbol = "½‖θ_D‖²"
    unit = "weight²"
    needs = frozenset({"decoder"})

    def forward(self, passed: AutoencoderPass) -> Tensor:
        assert passed.decoder is not None
        squares = [p.square().sum() for p in passed.decoder.parameters()]
        return 0.5 * torch.stack(squares).sum().expand(len(passed.x))


class DecoderSlope(Term[AutoencoderPass]):
    """½‖∂x̂/∂z‖² of the decoder's outputs by Hutchinson's estimate, one probe of signs an image, (n,).

    Ghosh et al. 2020, eq. 10 (RAE-GP).
    """

    symbol = "½‖∂x̂/∂z‖²"
    unit = "slope²"
    needs = frozenset({"decoder", "probes of images"})

    def forward(self, passed: AutoencoderPass) -> Tensor:
        assert passed.decode is not None and passed.image_probe is not None
        params, pull = torch.func.vjp(passed.decode, passed.z)  # type: ignore[misc]
        probe = torch.zeros_like(params)
        probe[:, 0] = passed.image_probe
        return 0.5 * pull(probe)[0].square().sum(1)


class ContractivePenalty(Term[AutoencoderPass]):
    """‖∂z/∂x‖²_F of the encoder, in squared slopes, (n,). Rifai, Vincent, Muller, Glorot & Bengio 2011, eq. 7.

    exact: by one product a unit of the code, else by Hutchinson's estimate, one probe of signs an image.
    """

    symbol = "‖∂z/∂x‖²"
    unit = "slope²"
    needs = frozenset({"encoder", "probes of codes"})

    def __init__(self, exact: bool, weight: NonNegative | Weight = 1.0) -> None:
        super().__init__(weight)
        self.exact = exact

    def forward(self, passed: AutoencoderPass) -> Tensor:
        assert passed.encode is not None and passed.code_probe is not None
        if self.exact:
            return squared_slopes(passed.encode, passed.x)
        _, pull = torch.func.vjp(passed.encode, passed.x)  # type: ignore[misc]
        return pull(passed.code_probe)[0].flatten(1).square().sum(1)
