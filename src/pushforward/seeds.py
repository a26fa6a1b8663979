"""Randomness as a function of (seed, stream, position): nothing but these need be kept for a run to resume exactly."""

from hashlib import blake2b

import torch


def derive_seed(seed: int, *stream: str | int) -> int:
    """A seed of 63 bits for one stream of one run, the same on every machine."""
    digest = blake2b(repr((int(seed), *stream)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(device: torch.device | str, seed: int, *stream: str | int) -> torch.Generator:
    """A generator on `device` at the start of the given stream."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *stream))


def signs(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Independent signs ±1, float32: probes of Hutchinson's estimates."""
    return 2.0 * torch.randint(0, 2, shape, generator=generator, device=generator.device) - 1
