"""Variational autoencoders: Gaussian posterior, Bernoulli or discretised logistic likelihood. Kingma & Welling 2014."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.written.batches import Dense, adam, shuffled, update

CODE = 16
FAR = 1e6
"""An edge so far out that the sigmoid there is 1 and its gradient 0."""


class VAE(nn.Module):
    """x (n, pixels) and noise (n, CODE) → the decoder's output (n, parameters · pixels), μ and log σ (n, CODE)."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_std = self.encoder(x).chunk(2, 1)
        return self.decoder(torch.addcmul(mean, log_std.exp(), noise)), mean, log_std


def mlp(pixels: int, hidden: tuple[int, ...], parameters: int) -> VAE:
    """Fully connected layers; the decoder has them in reverse."""
    return VAE(Dense(pixels, *hidden, 2 * CODE), Dense(CODE, *hidden[::-1], parameters * pixels))


def conv(parameters: int) -> VAE:
    """Strided convolutions 28 → 14 → 7 and back, with batch normalisation."""
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 2 * CODE),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(CODE, 64 * 7 * 7, bias=False), nn.Unflatten(1, (64, 7, 7)), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, parameters, 4, stride=2, padding=1), nn.Flatten(),
    )  # fmt: skip
    return VAE(encoder, decoder)


def kl(mean: Tensor, log_std: Tensor) -> Tensor:
    """KL(q(z|x) ‖ N(0, I)), nats, summed over the batch."""
    return (0.5 * (mean.square() + torch.expm1(2 * log_std)) - log_std).sum()


def bernoulli(x: Tensor) -> tuple[Tensor, ...]:
    """What `bernoulli_terms` wants to know of the images."""
    return (x,)


def bernoulli_terms(net: VAE, target: tuple[Tensor, ...], noise: Tensor) -> tuple[Tensor, Tensor]:
    """−log p(x|z) and KL, nats, summed over the batch."""
    (x,) = target
    logits, mean, log_std = net(x, noise)
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum"), kl(mean, log_std)


def logistic(x: Tensor, levels: int) -> tuple[Tensor, ...]:
    """What `logistic_terms` wants to know of the images: x, the edges of each pixel's bin in [−1, 1], and which are inner.

    The outer bins take the tails: their outer edge is out of reach.
    """
    v, half = 2 * x - 1, 1 / (levels - 1)
    low, high = v < half - 1, v > 1 - half
    return x, torch.where(low, -FAR, v - half), torch.where(high, FAR, v + half), (~(low | high)).float()


def logistic_terms(net: VAE, target: tuple[Tensor, ...], noise: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """−log [σ((upper − μ)/s) − σ((lower − μ)/s)] and KL, nats, summed over the batch. Salimans et al. 2017."""
    x, lower, upper, inner = target
    parameters, mean, log_std = net(x, noise)
    location, log_scale = parameters.chunk(2, 1)
    inverse = torch.exp(-log_scale.clamp(-7.0, 7.0))
    # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^{b−a}): three safe logarithms
    tails = F.logsigmoid((upper - location) * inverse) + F.logsigmoid((location - lower) * inverse)
    width = torch.log(-torch.expm1(inverse * (-2 / (levels - 1))))
    return -tails.sum() - (inner * width).sum(), kl(mean, log_std)


def likelihood_of(name: str, levels: int) -> tuple[Callable[[Tensor], tuple[Tensor, ...]], Callable[..., Any]]:
    """What the likelihood wants to know of the images, and the terms under it."""
    if name == "bernoulli":
        return bernoulli, bernoulli_terms
    return partial(logistic, levels=levels), partial(logistic_terms, levels=levels)


def steps(net: VAE, likelihood: str, x: Tensor, batch: int, levels: int = 256) -> Iterator[Tensor]:
    """Trains on images x (n, …) in [0, 1] of so many levels; gives each step's loss."""
    target, terms = likelihood_of(likelihood, levels)
    net.to(x.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # convolutions: 5 % faster on a CPU
    parameters = list(net.parameters())
    optimizer = adam(parameters, lr=1e-3)
    for block in shuffled(x.flatten(1), batch):
        noise = torch.randn(len(block), CODE, device=x.device)
        parts = zip(*(t.split(batch) for t in target(block)), strict=True)
        for part, eps in zip(parts, noise.split(batch), strict=True):
            reconstruction, rate = terms(net, part, eps)
            value = (reconstruction + rate) / batch
            update(optimizer, parameters, value)
            yield value.detach()
