"""Gradients with respect to the input, inside a loss."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def input_gradient(f: Callable[[Tensor], Tensor], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n *shape"]:
    """∇ₓ f(x) for each image, where f gives one number an image; itself differentiable in the parameters of f.

    `torch.func.grad` and not `autograd.grad`, which fails under vmap.
    """
    return torch.func.grad(lambda x: f(x).sum())(x)


def squared_slopes(f: Callable[[Tensor], Tensor], x: Float[Tensor, " n *shape"]) -> Float[Tensor, " n"]:
    """‖∂f/∂x‖²_F for each image, where f gives (n, d): by one product a unit; differentiable as `input_gradient` is."""
    z, pull = torch.func.vjp(f, x)  # type: ignore[misc]
    units = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    rows = [pull(unit.expand_as(z))[0].flatten(1).square().sum(1) for unit in units]
    return torch.stack(rows).sum(0)
