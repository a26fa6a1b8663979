"""Spectral normalisation: weights divided by their largest singular values."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

START = 15
"""Power iterations on the first weights; one follows each step. Miyato et al. 2018, alg. 1."""


class SpectralNorm(nn.Module):
    """W/σ(W), σ = uᵀWv with v = Wᵀu/‖Wᵀu‖ and u a buffer that `iterate` brings nearer the first left singular vector.

    Unlike torch's, calling it changes nothing: a loss stays a function of parameters, buffers and batch.
    """

    u: Tensor

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.register_buffer("u", F.normalize(torch.randn(rows), dim=0))

    def v(self, matrix: Tensor) -> Tensor:
        return F.normalize(self.u @ matrix, dim=0, eps=1e-12)

    def forward(self, weight: Tensor) -> Tensor:
        matrix = weight.flatten(1)
        v = self.v(matrix.detach())
        return weight / (self.u @ matrix @ v)

    def iterate(self, weight: Tensor) -> None:
        """One power iteration."""
        matrix = weight.detach().flatten(1)
        self.u.copy_(F.normalize(matrix @ self.v(matrix), dim=0, eps=1e-12))


def normalize(module: nn.Module) -> None:
    """Divide the weights of all linear maps, convolutions and embeddings of the module by their largest singular values."""
    layers = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)
    for layer in [m for m in module.modules() if isinstance(m, layers)]:
        norm = SpectralNorm(len(layer.weight)).to(layer.weight)
        with torch.no_grad():
            for _ in range(START):
                norm.iterate(layer.weight)
        parametrize.register_parametrization(layer, "weight", norm, unsafe=True)


def iterate(module: nn.Module) -> None:
    """One power iteration for every weight that `normalize` has taken in."""
    for layer in module.modules():
        if parametrize.is_parametrized(layer, "weight"):
            weights: Any = layer.parametrizations["weight"]  # type: ignore[index]
            for norm in weights:
                norm.iterate(weights.original)


def normalized(module: nn.Module) -> bool:
    """Whether `normalize` has taken in any weight of the module."""
    return any(isinstance(m, SpectralNorm) for m in module.modules())
