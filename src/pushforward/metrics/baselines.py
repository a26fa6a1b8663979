"""Reference rows of a table: samplers that know pixels alone, and the data themselves."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

DENSE = 4096
"""Pixels up to which their covariance is held whole; of more, only as many images are asked for it, evenly over the set."""


def gaussian_pixels(
    train_x: Float[Tensor, " m *shape"], n: int, generator: torch.Generator, low: float = 0.0, high: float = 1.0
) -> Float[Tensor, " n *shape"]:
    """`n` images of a Gaussian with the training pixels' mean and full covariance, clipped to [low, high].

    Of more than `DENSE` pixels, with the covariance of `DENSE` of the images, as sums of these with normal weights.
    """
    flat = train_x.flatten(1)
    mean = flat.mean(0, dtype=torch.float64)
    if flat.shape[1] <= DENSE:
        centred = flat.double() - mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / (len(flat) - 1))
        # pixels that never change have eigenvalue 0: no Cholesky factor
        root = (vectors * values.clamp(min=0).sqrt()).T
    else:
        some = thinned(flat).double()
        root = (some - some.mean(0)) / (len(some) - 1) ** 0.5
    noise = torch.randn(n, len(root), generator=generator, device=generator.device, dtype=torch.float64).to(mean.device)
    images = torch.cat([(mean + part @ root).clamp(low, high).to(train_x.dtype) for part in noise.split(1000)])
    return images.unflatten(1, train_x.shape[1:])


def thinned(flat: Float[Tensor, "m p"]) -> Float[Tensor, "k p"]:
    """At most `DENSE` of the images, evenly over the set."""
    return flat[torch.linspace(0, len(flat) - 1, DENSE).round().long()] if len(flat) > DENSE else flat


class Components(NamedTuple):
    """mean (p,), basis (p, d) with orthonormal columns, their variances (d,) in falling order, and the variance in all."""

    mean: Tensor
    basis: Tensor
    variances: Tensor
    total: Tensor


def principal_components(x: Float[Tensor, " m *shape"], most: int, block: int = 5000) -> Components:
    """The leading principal components of flattened images, at most `most`, float64. Pearson 1901.

    Each points to where its largest entry is positive, so that it does not depend on the machine. Of more than `DENSE`
    pixels, those of `DENSE` of the images, through the products of these with each other.
    """
    flat = x.flatten(1)
    wide = flat.shape[1] > DENSE
    flat = thinned(flat) if wide else flat
    n, p = flat.shape
    mean = flat.mean(0, dtype=torch.float64)
    d = max(1, min(most, p, n - 1))
    if wide:
        centred = flat.double() - mean
        values, vectors = _leading(centred @ centred.T / max(n - 1, 1), d)
        basis, total = torch.nn.functional.normalize(centred.T @ vectors, dim=0), centred.square().sum() / max(n - 1, 1)
    else:
        scatter = torch.zeros(p, p, dtype=torch.float64)
        for part in flat.split(block):
            centred = part.double() - mean
            scatter += centred.T @ centred
        covariance = scatter / max(n - 1, 1)
        (values, basis), total = _leading(covariance, d), covariance.trace()
    signs = basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()
    return Components(mean, basis * signs, values, total)


def _leading(symmetric: Float[Tensor, "p p"], d: int) -> tuple[Float[Tensor, " d"], Float[Tensor, "p d"]]:
    """The d largest eigenvalues, falling, and their eigenvectors."""
    from scipy.linalg import eigh

    p = len(symmetric)
    values, vectors = map(torch.from_numpy, eigh(symmetric.numpy(), subset_by_index=[p - d, p - 1]))
    return values.flip(0).clamp(min=0), vectors.flip(1)


def independent_pixels(
    train_x: Float[Tensor, " m *shape"], n: int, generator: torch.Generator
) -> Float[Tensor, " n *shape"]:
    """`n` images whose every pixel is drawn from that pixel's training values, independently of the others."""
    flat = train_x.flatten(1)
    uniform = torch.rand(n, flat.shape[1], generator=generator, device=generator.device)
    rows = (uniform * len(flat)).long().clamp(max=len(flat) - 1).to(flat.device)  # float32 rounding can reach m
    return flat.gather(0, rows).unflatten(1, train_x.shape[1:])


def training_images(
    train_x: Float[Tensor, " m *shape"], n: int, generator: torch.Generator
) -> Float[Tensor, " n *shape"]:
    """`n` training images without replacement (with, where there are fewer): the memoriser's row."""
    m = len(train_x)
    if n <= m:
        rows = torch.rand(m, generator=generator, device=generator.device).argsort()[:n]
    else:
        rows = torch.randint(m, (n,), generator=generator, device=generator.device)
    return train_x[rows.to(train_x.device)]
