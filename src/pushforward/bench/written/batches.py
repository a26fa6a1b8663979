"""Shuffled batches of images in memory."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

AT_ONCE = 16
"""Batches gathered, and noise drawn, in one go."""


def shuffled(x: Tensor, batch: int) -> Iterator[Tensor]:
    """Blocks (AT_ONCE · batch, …) of x for ever, in an order drawn anew for each epoch."""
    size, left = AT_ONCE * batch, torch.empty(0, dtype=torch.long, device=x.device)
    while True:
        while len(left) < size:
            left = torch.cat((left, torch.randperm(len(x), device=x.device)))
        yield x[left[:size]]
        left = left[size:]


def adam(parameters: Iterable[nn.Parameter], lr: float, betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=lr, betas=betas, fused=True)
