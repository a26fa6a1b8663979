"""Reference rows of a table: samplers that know pixels alone, and the data themselves."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


def gaussian_pixels(
    train_x: Float[Tensor, "m *shape"], n: int, generator: torch.Generator, low: float = 0.0, high: float = 1.0
) -> Float[Tensor, "n *shape"]:
    """`n` images of a Gaussian with the training pixels' mean and full covariance, clipped to [low, high]."""
    flat = train_x.flatten(1).double()
    mean = flat.mean(0)
    centred = flat - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / (len(flat) - 1))
    root = vectors * values.clamp(min=0).sqrt()  # pixels that never change have eigenvalue 0: no Cholesky factor
    noise = torch.randn(n, len(mean), generator=generator, device=generator.device, dtype=torch.float64).to(mean.device)
    images = (mean + noise @ root.T).clamp(low, high)
    return images.unflatten(1, train_x.shape[1:]).to(train_x.dtype)


class Components(NamedTuple):
    """mean (p,), basis (p, d) with orthonormal columns, their variances (d,) in falling order, and the variance in all."""

    mean: Tensor
    basis: Tensor
    variances: Tensor
    total: Tensor


def principal_components(x: Float[Tensor, "m *shape"], most: int, block: int = 5000) -> Components:
    """The leading principal components of flattened images, at most `most`, float64. Pearson 1901.

    Each points to where its largest entry is positive, so that it does not hang on the machine.
    """
    from scipy.linalg import eigh

    flat = x.flatten(1)
    n, p = flat.shape
    mean = flat.mean(0, dtype=torch.float64)
    scatter = torch.zeros(p, p, dtype=torch.float64)
    for part in flat.split(block):
        centred = part.double() - mean
        scatter += centred.T @ centred
    covariance = scatter / max(n - 1, 1)
    d = max(1, min(most, p, n - 1))
    values, vectors = map(torch.from_numpy, eigh(covariance.numpy(), subset_by_index=[p - d, p - 1]))
    basis, variances = vectors.flip(1), values.flip(0).clamp(min=0)
    signs = basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()
    return Components(mean, basis * signs, variances, covariance.trace())


def independent_pixels(
    train_x: Float[Tensor, "m *shape"], n: int, generator: torch.Generator
) -> Float[Tensor, "n *shape"]:
    """`n` images whose every pixel is drawn from that pixel's training values, independently of the others."""
    flat = train_x.flatten(1)
    uniform = torch.rand(n, flat.shape[1], generator=generator, device=generator.device)
    rows = (uniform * len(flat)).long().clamp(max=len(flat) - 1).to(flat.device)  # float32 rounding can reach m
    return flat.gather(0, rows).unflatten(1, train_x.shape[1:])


def training_images(
    train_x: Float[Tensor, "m *shape"], n: int, generator: torch.Generator
) -> Float[Tensor, "n *shape"]:
    """`n` training images without replacement (with, where there are fewer): the memoriser's row."""
    m = len(train_x)
    if n <= m:
        rows = torch.rand(m, generator=generator, device=generator.device).argsort()[:n]
    else:
        rows = torch.randint(m, (n,), generator=generator, device=generator.device)
    return train_x[rows.to(train_x.device)]
