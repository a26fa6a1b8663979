"""A player's step as a CUDA graph: captured once on memory that stays, then replayed with one launch."""

import torch
from torch import Tensor

from pushforward.engine.contract import Noise
from pushforward.engine.player_step import PlayerStep, Stepped
from pushforward.spec import Batch

WARM = 3
"""Steps on a stream of their own before one is captured, as capture asks: optimiser states and workspaces are made there."""


class GraphedStep:
    """`PlayerStep` on a GPU, from gradient to optimiser step; its batch and noise are copied to where the graph reads them.

    Noise is drawn outside, and what changes from step to step is a tensor: the epochs seen, a scheduled learning rate.
    """

    def __init__(self, step: PlayerStep) -> None:
        self.step, self.count = step, 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: list[Tensor] = []
        self.found: Stepped = ({}, {})
        step.records = False
        if step.family.tunings[step.name].schedule is not None:
            for group in step.optimizer.param_groups:
                group["lr"] = torch.as_tensor(float(group["lr"]), device=step.own[0].device)

    def __call__(self, batch: Batch, noise: Noise) -> Stepped:
        self.count += 1
        if self.count <= WARM:
            return self._beside(batch, noise)
        if self.graph is None:
            self._capture(batch, noise)
        given = tensors(batch, noise)
        if [t.shape for t in given] != [t.shape for t in self.inputs]:
            return self.step.by_autograd(batch, noise)
        torch._foreach_copy_(self.inputs, given, non_blocking=True)
        assert self.graph is not None
        self.graph.replay()
        # the graph writes to the same memory again at the next step
        terms, stats = ({key: value.clone() for key, value in part.items()} for part in self.found)
        return terms, stats

    def _beside(self, batch: Batch, noise: Noise) -> Stepped:
        beside, here = torch.cuda.Stream(), torch.cuda.current_stream()
        beside.wait_stream(here)
        with torch.cuda.stream(beside):
            done = self.step.by_autograd(batch, noise)
        here.wait_stream(beside)
        return done

    def _capture(self, batch: Batch, noise: Noise) -> None:
        """Nothing is trained by it: kernels are put down and not run."""
        held = batch.map(Tensor.clone)
        drawn = {key: value.clone() for key, value in noise.items()}
        self.inputs, self.graph = tensors(held, drawn), torch.cuda.CUDAGraph()
        for parameter in self.step.own:
            parameter.grad = None
        with torch.cuda.graph(self.graph):
            grads, terms, stats = self.step.gradient(held, drawn)
            self.step.apply(grads)
            self.found = ({key: value.detach() for key, value in terms.items()}, stats)


def tensors(batch: Batch, noise: Noise) -> list[Tensor]:
    return [*batch.named().values(), *noise.values()]
