"""Modes of a mixture that samples find, and how near and how evenly: Lin et al. 2018 (PacGAN), sec. 4.1."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pushforward.errors import PushforwardError
from pushforward.metrics.histograms import shares
from pushforward.metrics.information import kl_divergence

NEAR = 3.0
"""σ from the nearest mode within which a sample is of high quality. Srivastava et al. 2017 (VEEGAN), for the plane."""
CHUNK = 2**22


def nearest_mode(x: Float[Tensor, "n d"], modes: Float[Tensor, "k d"]) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Index of the nearest mode and the distance to it, float64."""
    x, modes = x.double(), modes.double()
    # differences: cdist's matrix product cancels where modes are far from the origin and narrow
    parts = [(part[:, None] - modes).norm(dim=2).min(1) for part in x.split(max(1, CHUNK // modes.numel()))]
    return torch.cat([p.indices for p in parts]), torch.cat([p.values for p in parts])


def high_quality_of_truth(d: int, near: float = NEAR) -> float:
    """Share of high-quality samples that isotropic modes themselves give in d dimensions: P(χ²_d ≤ near²); 0.9889 in 2."""
    return float(torch.special.gammainc(torch.tensor(d / 2, dtype=torch.float64), torch.tensor(near**2 / 2)))


def mode_coverage(
    x: Float[Tensor, "n d"], modes: Float[Tensor, "k d"], width: float, near: float = NEAR
) -> dict[str, float]:
    """{"found", "high_quality", "reverse_kl"} of samples of equal isotropic modes, float64.

    found: modes that are the nearest to at least one sample of high quality, one within `near` σ of its nearest mode.
    high_quality: their share of all samples. reverse_kl: KL(samples' shares of nearest modes ‖ uniform), nats, which
    stays finite where modes are missing; for n samples of the truth its mean is about (k − 1)/2n.
    """
    if not width > 0:
        raise PushforwardError(f"modes: their width is {width:g}; expected σ > 0.")
    if x.ndim != 2 or x.shape[1] != modes.shape[1]:
        raise PushforwardError(f"modes: samples are {tuple(x.shape)}, expected (n, {modes.shape[1]}).")
    index, distance = nearest_mode(x, modes.to(x.device))
    assigned = torch.bincount(index, minlength=len(modes))
    good = torch.bincount(index[distance <= near * width], minlength=len(modes))
    taken = shares(assigned)
    return {
        "found": float((good > 0).sum()),
        "high_quality": float(good.sum().double() / assigned.sum()),
        "reverse_kl": float(kl_divergence(taken, torch.full_like(taken, 1 / len(taken)))),
    }


def stack_coverage(logits: Callable[[Tensor], Float[Tensor, "m k"]], x: Float[Tensor, "n c h w"]) -> dict[str, float]:
    """{"found", "reverse_kl"} of images whose c channels are grey images of k classes each: kᶜ equal modes, float64.

    found: modes of at least one image. reverse_kl: KL(the images' shares of modes ‖ uniform), nats; for n images of the truth
    its mean is about (kᶜ − 1)/2n. Metz et al. 2017, sec. 3.3.1; Lin et al. 2018 (PacGAN), sec. 4.2.
    """
    c = x.shape[1]
    each = torch.stack([logits(x[:, i : i + 1]) for i in range(c)], 1)
    k = each.shape[2]
    mode = (each.argmax(2) * k ** torch.arange(c - 1, -1, -1, device=each.device)).sum(1)
    counts = torch.bincount(mode, minlength=k**c)
    taken = shares(counts)
    return {
        "found": float((counts > 0).sum()),
        "reverse_kl": float(kl_divergence(taken, torch.full_like(taken, 1 / len(taken)))),
    }
