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
