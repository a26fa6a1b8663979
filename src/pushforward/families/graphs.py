"""A move as a CUDA graph: captured once on memory that stays, then replayed with one launch."""

from typing import Any

import torch
from torch import Tensor

from pushforward.families.moves import Move, Moved
from pushforward.spec import Batch

WARM = 3
"""Moves on a stream of their own before one is captured, as capture asks: optimiser states and workspaces are made there."""


class Graphed:
    """`Move` on a GPU, from gradient to optimiser step; its batch and noise are copied to where the graph reads them.

    Noise is drawn outside, and what changes from step to step is a tensor: the epochs seen, a scheduled learning rate.
    """

    def __init__(self, move: Move) -> None:
        self.move, self.moves = move, 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: list[Tensor] = []
        self.found: Moved = ({}, {})
        move.records = False
        stepper, name = move.stepper, move.name
        if move.family.tunings[name].schedule is not None:
            for group in stepper.optimizers[name].param_groups:
                group["lr"] = torch.as_tensor(float(group["lr"]), device=move.own[0].device)

    def __call__(self, batch: Batch, noise: dict[str, Tensor]) -> Moved:
        self.moves += 1
        if self.moves <= WARM:
            return self._beside(batch, noise)
        if self.graph is None:
            self._capture(batch, noise)
        given = tensors(batch, noise)
        if [t.shape for t in given] != [t.shape for t in self.inputs]:
            return self.move(batch, noise)
        torch._foreach_copy_(self.inputs, given, non_blocking=True)
        assert self.graph is not None
        self.graph.replay()
        # the graph writes to the same memory again at the next move
        terms, stats = ({key: value.clone() for key, value in part.items()} for part in self.found)
        return terms, stats

    def _beside(self, batch: Batch, noise: dict[str, Tensor]) -> Moved:
        beside, here = torch.cuda.Stream(), torch.cuda.current_stream()
        beside.wait_stream(here)
        with torch.cuda.stream(beside):
            moved = self.move(batch, noise)
        here.wait_stream(beside)
        return moved

    def _capture(self, batch: Batch, noise: dict[str, Tensor]) -> None:
        """Nothing moves by it: kernels are put down and not run."""
        held = Batch(batch.x.clone(), None if batch.y is None else batch.y.clone())
        drawn = {key: value.clone() for key, value in noise.items()}
        self.inputs, self.graph = tensors(held, drawn), torch.cuda.CUDAGraph()
        for parameter in self.move.own:
            parameter.grad = None
        with torch.cuda.graph(self.graph):
            grads, terms, stats = self.move.gradient(held, drawn)
            self.move.apply(grads)
            self.found = ({key: value.detach() for key, value in terms.items()}, stats)


def tensors(batch: Batch, noise: dict[str, Tensor]) -> list[Any]:
    return [batch.x, *([] if batch.y is None else [batch.y]), *noise.values()]
