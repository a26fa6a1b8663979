"""Communication between the processes of a run. With one process every function here is free.

The convention everywhere: each rank's loss is the mean over its own slice, and gradients are averaged over the ranks.
"""

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def world() -> tuple[int, int]:
    """(rank, number of processes); (0, 1) when there is one."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def rank() -> int:
    """This process's rank, known before processes have met."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID") or 0)


def gather_batch(x: Tensor) -> Tensor:
    """The global batch (n_local · size, …) from this rank's slice, for terms that couple the batch.

    This rank's slice keeps its gradient, times the number of processes; the others' are constants. Averaged over the
    ranks that is the gradient of the global term.
    """
    rank, size = world()
    if size == 1:
        return x
    parts = list(_all_gather(x.detach()))
    # x − x.detach() is exactly zero, so only the gradient is scaled
    parts[rank] = x.detach() + size * (x - x.detach()) if x.is_floating_point() else x
    return torch.cat(parts)


def gather(x: Tensor) -> Tensor:
    """Every rank's `x`, stacked to (size, *x.shape), differentiable in all: the adjoint sums over the ranks."""
    return _Gather.apply(x) if world()[1] > 1 else x.unsqueeze(0)


def _all_gather(x: Tensor) -> Tensor:
    x = x.contiguous()
    out = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(out, x)
    return torch.stack(out)


class _Gather(torch.autograd.Function):
    """x ↦ (x₀, …, x_{R−1}), whose adjoint is `_Own`."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _all_gather(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _Own.apply(grads[0])


class _Own(torch.autograd.Function):
    """(g₀, …, g_{R−1}) on every rank ↦ Σ over ranks of this rank's row; its adjoint is `_Gather`, so gradients nest."""

    @staticmethod
    def forward(g: Tensor) -> Tensor:
        total = g.contiguous().clone()
        dist.all_reduce(total)
        return total[dist.get_rank()]

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _Gather.apply(grads[0])
