"""Divergence of categorical distributions from the uniform one, and Gumbel noise."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def kl_uniform(log_p: Float[Tensor, "*n k"]) -> Float[Tensor, "*n"]:
    """KL(p ‖ uniform) = ln k − H(p) over k classes, nats."""
    return math.log(log_p.shape[-1]) + (log_p.exp() * log_p).sum(-1)


def gumbel(uniform: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """−ln(−ln u): argmax(log p + gumbel) is a draw of p. Gumbel 1954; Maddison, Tarlow & Minka 2014."""
    # float32 draws 0 and never more than 1 − 2⁻²⁴, whose logarithms are finite
    return -torch.log(-torch.log(uniform.clamp(1e-30, 1 - 2.0**-24)))
