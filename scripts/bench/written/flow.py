"""Affine couplings on logit-transformed, dequantised images. Dinh, Sohl-Dickstein & Bengio 2017."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.written.batches import Dense, adam, shuffled, update

ALPHA = 1e-6
SLOPE = 3.0
"""log s stays within ± this."""


class Coupling(nn.Module):
    """b ↦ s(a)·b + t(a), the identity at first."""

    def __init__(self, kept: int, moved: int, hidden: int = 128) -> None:
        super().__init__()
        self.net = Dense(kept, hidden, hidden, 2 * moved)
        for parameter in self.net.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """The image of b, and log |det| before it is summed, like b."""
        shift, log_scale = self.net(a).chunk(2, 1)
        log_scale = log_scale / (1 + log_scale.abs() / SLOPE)
        return b * log_scale.exp() + shift, log_scale


class RealNVP(nn.Module):
    """Pairs of couplings: the halves of a random split move in turn."""

    orders: Tensor

    def __init__(self, dim: int, pairs: int = 4) -> None:
        super().__init__()
        self.kept = dim // 2
        self.register_buffer("orders", torch.stack([torch.randperm(dim) for _ in range(pairs)]))
        self.first = nn.ModuleList(Coupling(self.kept, dim - self.kept) for _ in range(pairs))
        self.second = nn.ModuleList(Coupling(dim - self.kept, self.kept) for _ in range(pairs))

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """z, its dimensions in some order, and log |det ∂z/∂y| before it is summed."""
        log_det: list[Tensor] = []
        for order, first, second in zip(self.orders, self.first, self.second, strict=True):
            y = y[:, order]
            a, b = y[:, : self.kept], y[:, self.kept :]
            b, moved = first(a, b)
            a, moved_too = second(b, a)
            log_det += [moved, moved_too]
            y = torch.cat((a, b), 1)
        return y, torch.cat(log_det, 1)


def prepared(x: Tensor, u: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """logit(α + (1 − 2α)·(k + u)/levels) of images x = k/(levels − 1), (n, d), and its log |det|, (n,)."""
    s = ALPHA + (1 - 2 * ALPHA) * ((x * (levels - 1) + u) / levels).flatten(1)
    y = s.log() - torch.log1p(-s)
    return y, (math.log(1 - 2 * ALPHA) - F.logsigmoid(y) - F.logsigmoid(-y)).sum(1)


def loss(net: RealNVP, y: Tensor, log_det: Tensor) -> Tensor:
    """−log p(x), nats per image."""
    z, moved = net(y)
    log_normal = -0.5 * z.square().sum() / len(z) - 0.5 * z.shape[1] * math.log(2 * math.pi)
    return -(log_normal + moved.sum() / len(z) + log_det.mean())


def steps(x: Tensor, batch: int, levels: int = 17) -> Iterator[Tensor]:
    """Trains on images x in [0, 1] of so many levels; gives each step's loss."""
    net = RealNVP(x[0].numel()).to(x.device)
    parameters = list(net.parameters())
    optimizer = adam(parameters, lr=1e-3)
    for block in shuffled(x, batch):
        y, log_det = prepared(block, torch.rand_like(block).clamp_(max=1 - 2**-16), levels)
        for part, gained in zip(y.split(batch), log_det.split(batch), strict=True):
            value = loss(net, part, gained)
            update(optimizer, parameters, value)
            yield value.detach()
