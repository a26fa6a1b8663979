"""The recipe by which the classifier of FD-lenet is trained: frozen, since distances depend on every bit of it."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from pushforward.networks.lenet import LeNet
from pushforward.seeds import derive_seed, generator


@dataclass(frozen=True)
class Recipe:
    """Adam at `lr`, decayed by a half cosine to zero, on grey levels in [0, 1] shifted by up to `shift` pixels.

    Images shown are `passes` times the training images, at least `least` and at most `most`. Weights are rounded to
    half precision at the end.
    """

    version: int
    lr: float
    batch: int
    passes: int
    least: int
    most: int
    shift: int
    seed: int

    def steps(self, n: int) -> int:
        return max(self.least, min(self.passes * n, self.most)) // self.batch


RECIPE = Recipe(version=1, lr=4e-3, batch=64, passes=100, least=128_000, most=480_000, shift=1, seed=0)


def fit(x: Shaped[Tensor, "n c h w"], y: Int[Tensor, " n"], classes: int, levels: int | None) -> LeNet:
    """LeNet trained by the recipe on a CPU with one thread: the same weights whatever else the process does."""
    r, n = RECIPE, len(x)
    batch, steps = min(r.batch, n), r.steps(n)
    epochs = -(-steps * batch // n)
    with _one_thread(), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(r.seed, "lenet", "init"))
        network = LeNet(tuple(x.shape[1:]), classes).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        order = generator("cpu", r.seed, "lenet", "order")
        rows = torch.cat([torch.randperm(n, generator=order) for _ in range(epochs)])
        rows = rows[: steps * batch].view(steps, batch)
        shifts = torch.randint(0, 2 * r.shift + 1, (steps, 2, batch), generator=order)
        optimizer = torch.optim.Adam(network.parameters(), lr=r.lr, fused=True)
        for step in _bar(range(steps)):
            optimizer.param_groups[0]["lr"] = r.lr * (1 + math.cos(math.pi * step / steps)) / 2
            images = _shifted(unit(x[rows[step]], levels), shifts[step], r.shift)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images), y[rows[step]]).backward()
            optimizer.step()
    return network


def _shifted(x: Float[Tensor, "n c h w"], shift: Int[Tensor, "2 n"], most: int) -> Float[Tensor, "n c h w"]:
    """Each image moved by (shift − most) pixels, black coming in at the border."""
    n, _, h, w = x.shape
    padded = nn.functional.pad(x, (most,) * 4)
    rows, columns = shift[0][:, None] + torch.arange(h), shift[1][:, None] + torch.arange(w)
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def unit(x: Shaped[Tensor, "n c h w"], levels: int | None) -> Float[Tensor, "n c h w"]:
    """Grey levels k as k / (levels − 1) in [0, 1], shape (n, c, h, w); real values as they are."""
    return x.float() / (levels - 1) if levels else x.float()


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _bar(steps: range) -> Any:
    from rich.progress import track

    return track(steps, "training lenet features", transient=True, disable=not sys.stdout.isatty())
