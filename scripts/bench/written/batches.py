"""What all loops share: shuffled batches of images in memory, dense layers, a step."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
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


def update(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], loss: Tensor) -> None:
    """A step. optimizer.zero_grad does the same as the first lines, and takes longer."""
    for parameter in parameters:
        parameter.grad = None
    loss.backward()
    optimizer.step()


class Dense(nn.Module):
    """Fully connected layers of these sizes with ReLU between them.

    They are called as functions: what a module's own call costs is as much as a small matrix product.
    """

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.weights: list[tuple[Tensor, Tensor]] = [(layer.weight, layer.bias) for layer in self.layers]  # type: ignore[misc]

    def forward(self, x: Tensor) -> Tensor:
        for weight, bias in self.weights[:-1]:
            x = F.linear(x, weight, bias).relu_()
        return F.linear(x, *self.weights[-1])
