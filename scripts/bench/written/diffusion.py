"""Denoising diffusion in 1,000 steps of the cosine schedule. Ho et al. 2020; Nichol & Dhariwal 2021.

The U-Net is the package's: whoever writes it by hand writes the same layers.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench.written.batches import adam, shuffled, update
from pushforward.networks import UNet

TIMESTEPS = 1000


def field(shape: tuple[int, ...]) -> nn.Module:
    """(x_t, t) → the noise in x_t."""
    return UNet(width=16, multipliers=(1, 2, 2), blocks=1, attention=7).field(shape)


def kept() -> Tensor:
    """ᾱ_1 … ᾱ_T."""
    angle = (torch.linspace(0, 1, TIMESTEPS + 1, dtype=torch.float64) + 0.008) / 1.008 * math.pi / 2
    alpha_bar = angle.cos().square()
    return torch.cumprod((alpha_bar[1:] / alpha_bar[:-1]).clamp(min=1e-3), 0).float()


def noised(x: Tensor, i: Tensor, noise: Tensor, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """x_t of images x in [0, 1] at step i + 1, and t in [0, 1]."""
    a = alpha_bar[i][:, None, None, None]
    return a.sqrt() * (2 * x - 1) + (1 - a).sqrt() * noise, (i + 1) / TIMESTEPS


def loss(net: nn.Module, xt: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """‖ε − ε̂(x_t, t)‖², summed over an image."""
    return (noise - net(xt, t)).square().sum() / len(xt)


def steps(x: Tensor, batch: int) -> Iterator[Tensor]:
    """Trains on images x (n, c, h, w) in [0, 1]; gives each step's loss."""
    net, alpha_bar = field(tuple(x.shape[1:])).to(x.device), kept().to(x.device)
    parameters = list(net.parameters())
    optimizer = adam(parameters, lr=1e-3)
    for block in shuffled(x, batch):
        noise = torch.randn_like(block)
        xt, t = noised(block, torch.randint(TIMESTEPS, (len(block),), device=x.device), noise, alpha_bar)
        for parts in zip(xt.split(batch), t.split(batch), noise.split(batch), strict=True):
            value = loss(net, *parts)
            update(optimizer, parameters, value)
            yield value.detach()
