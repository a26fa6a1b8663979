"""From levels as stored to x as a model sees it: scaled, binarised, dequantised, with noise that is an argument."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from pushforward.seeds import generator
from pushforward.spec import BELOW_ONE, DataSpec

CHUNK = 250
"""Positions in a split that share one generator of noise. It defines those streams, so it never changes."""


def uniform(shape: tuple[int, ...], source: Generator) -> Tensor:
    """Uniform on [0, 1), float32, on the generator's device; never so near 1 that adding 255 rounds up."""
    return torch.rand(shape, generator=source, device=source.device).clamp_(max=BELOW_ONE)


@dataclass(frozen=True)
class Preparation:
    """x = k / (levels − 1), then Bernoulli(x) if `binarize`, then (k + u) / levels if spec.dequantized."""

    spec: DataSpec
    levels: int | None
    binarize: bool

    def noise(self, n: int, source: Generator) -> tuple[Tensor, ...]:
        """The noise that preparing n images takes, each (n, *shape)."""
        return tuple(uniform((n, *self.spec.shape), source) for _ in range(self.binarize + self.spec.dequantized))

    def __call__(self, raw: Tensor, noise: tuple[Tensor, ...]) -> Tensor:
        x = raw.to(torch.float32)
        if self.levels is not None and self.levels != 2:
            x = x.div_(self.levels - 1) if x is not raw else x / (self.levels - 1)
        if self.binarize:
            x = torch.gt(x, noise[0], out=torch.empty_like(x))
        if self.spec.dequantized:
            x = replace(self.spec, dequantized=False).dequantize(x, noise[-1])
        return x


def chunks(start: int, stop: int) -> Iterator[tuple[int, slice, slice]]:
    """(chunk, its part within the chunk, its part within [start, stop)) for the positions start..stop."""
    for chunk in range(start // CHUNK, -(-stop // CHUNK)):
        low, high = max(start, chunk * CHUNK), min(stop, (chunk + 1) * CHUNK)
        yield chunk, slice(low - chunk * CHUNK, high - chunk * CHUNK), slice(low - start, high - start)


def evaluate(preparation: Preparation, raw: Tensor, start: int, split: str, seed: int) -> Tensor:
    """x for positions start.. of a split; noise is a function of (seed, split, position), on every device the same."""
    parts = []
    for chunk, inside, outside in chunks(start, start + len(raw)):
        noise = preparation.noise(CHUNK, generator("cpu", seed, "evaluation", split, chunk))
        parts.append(preparation(raw[outside], tuple(u[inside] for u in noise)))
    return torch.cat(parts) if parts else preparation(raw, preparation.noise(0, generator("cpu", seed)))


def evaluate_rows(preparation: Preparation, raw: Tensor, rows: Tensor, split: str, seed: int) -> Tensor:
    """x for the positions `rows` of a split, which ascend: what `evaluate` gives of all, there."""
    parts, start = list[Tensor](), 0
    numbers, sizes = (rows // CHUNK).unique_consecutive(return_counts=True)
    for chunk, size in zip(numbers.tolist(), sizes.tolist(), strict=True):
        here = slice(start, start + size)
        noise = preparation.noise(CHUNK, generator("cpu", seed, "evaluation", split, chunk))
        parts.append(preparation(raw[here], tuple(u[rows[here] - chunk * CHUNK] for u in noise)))
        start += size
    return torch.cat(parts) if parts else preparation(raw, preparation.noise(0, generator("cpu", seed)))


def binarize_once(x: Tensor, levels: int | None, split: str, seed: int) -> Tensor:
    """Bernoulli(x) as levels 0 and 1, uint8, drawn once for each position of the split. Salakhutdinov & Murray 2008."""
    out = torch.empty(x.shape, dtype=torch.uint8)
    for chunk, inside, outside in chunks(0, len(x)):
        u = torch.rand((CHUNK, *x.shape[1:]), generator=generator("cpu", seed, "static", split, chunk))
        out[outside] = u[inside] < x[outside].to(torch.float32) / ((levels or 2) - 1)
    return out
