"""Checks on codes before a density is fitted to them, their spread, and a limit to their number."""

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.errors import PushforwardError
from pushforward.seeds import derive_seed


def checked(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Codes in float64 without their graph. Raises PushforwardError where there are too few, or not all are finite."""
    flat = z.detach().flatten(1).double()
    if len(flat) < 2:
        raise PushforwardError(f"A density cannot be fitted to {len(flat)} code; give at least 2.")
    if not bool(flat.isfinite().all()):
        raise PushforwardError("A density cannot be fitted to codes that are not finite; the run has diverged.")
    return flat


def spread(flat: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """Standard deviation of each unit, at least 1e-6 of the largest one, and never zero."""
    std = flat.std(0)
    largest = float(std.max())
    return std.clamp(min=1e-6 * largest if largest > 0 else 1e-6)


def thinned(flat: Float[Tensor, "n d"], limit: int, seed: int, stream: str) -> Float[Tensor, "m d"]:
    """At most `limit` of the codes, chosen by `seed`."""
    if len(flat) <= limit:
        return flat
    order = torch.Generator().manual_seed(derive_seed(seed, stream))
    return flat[torch.randperm(len(flat), generator=order)[:limit].to(flat.device)]


def normal(n: int, d: int, generator: torch.Generator, like: Tensor) -> Float[Tensor, "n d"]:
    """Draws from N(0, I) with the dtype and on the device of `like`."""
    return torch.randn(n, d, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)
