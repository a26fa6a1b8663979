"""A non-saturating GAN of convolutions in the manner of DCGAN. Goodfellow et al. 2014, algorithm 1; Radford et al. 2016.

Each player draws codes of its own, as in the algorithm. Handing the critic's images on to the generator's step, as some
examples do, would save a pass through the generator, and is another algorithm.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.written.batches import adam, shuffled, update

CODE = 64


def generator() -> nn.Module:
    """z (n, CODE) → images (n, 1, 28, 28) in [−1, 1]."""
    return nn.Sequential(
        nn.Linear(CODE, 64 * 7 * 7, bias=False), nn.Unflatten(1, (64, 7, 7)), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1), nn.Tanh(),
    )  # fmt: skip


def critic() -> nn.Module:
    """Images (n, 1, 28, 28) in [−1, 1] → scores (n,)."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 64, 3, padding=1), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 1), nn.Flatten(0),
    )  # fmt: skip


def critic_loss(d: nn.Module, g: nn.Module, real: Tensor, z: Tensor) -> Tensor:
    """−log D(x) − log(1 − D(G(z))), nats per image. real: images in [−1, 1]."""
    with torch.no_grad():
        fake = g(z)
    return F.softplus(-d(real)).mean() + F.softplus(d(fake)).mean()


def generator_loss(d: nn.Module, g: nn.Module, z: Tensor) -> Tensor:
    """−log D(G(z)), nats per image."""
    return F.softplus(-d(g(z))).mean()


def steps(x: Tensor, batch: int) -> Iterator[Tensor]:
    """Trains on images x (n, 1, 28, 28) in [0, 1]; gives the critic's loss of each pair of steps."""
    g, d = generator(), critic()
    for net in (g, d):  # channels last: 6 % faster on a CPU
        net.to(x.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    of_g, of_d = list(g.parameters()), list(d.parameters())
    optimizer_g, optimizer_d = adam(of_g, 2e-4, (0.5, 0.999)), adam(of_d, 2e-4, (0.5, 0.999))
    for block in shuffled(x, batch):
        noise = torch.randn(2, len(block), CODE, device=x.device)
        for real, z, z_again in zip((2 * block - 1).split(batch), *(part.split(batch) for part in noise), strict=True):
            value = critic_loss(d, g, real, z)
            update(optimizer_d, of_d, value)
            for parameter in of_g:
                parameter.grad = None
            generator_loss(d, g, z_again).backward(inputs=of_g)  # no gradient for the critic's parameters
            optimizer_g.step()
            yield value.detach()
