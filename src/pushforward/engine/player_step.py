"""One player's step: its gradient, averaged over processes and clipped, and its optimiser's step."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from pushforward.engine.contract import Loss, Noise, Trainable
from pushforward.engine.optimizer_update import OptimizerUpdate
from pushforward.engine.players import TOTAL, Player
from pushforward.engine.traced_replay import Gradient, Recording
from pushforward.errors import PushforwardError
from pushforward.networks.blocks import BatchNorm, frozen_statistics
from pushforward.parallel import world
from pushforward.spec import Batch

RECORDED_AT = 64
"""Steps after which one is recorded: short runs don't pay for it."""
SLOW = 0.1
"""Seconds of a step that leave nothing to gain."""

Stepped = tuple[dict[str, Tensor], dict[str, Tensor]]


class PlayerStep:
    """A player's step, whose gradient comes from autograd, or from a recording once that has given the same.

    own: the player's parameters, in the order of its optimizer. others: batch norms of other players, which it may not move.
    records: whether it may be recorded. why_not: the reason where it was tried in vain.
    The recording is compared again at every doubling of the steps: a loss that Python changes on its way is an error.
    """

    def __init__(
        self,
        family: Trainable,
        player: Player,
        own: list[Tensor],
        optimizer: torch.optim.Optimizer,
        others: list[BatchNorm],
    ) -> None:
        name = player.name
        self.family, self.name, self.own, self.optimizer, self.others = family, name, own, optimizer, others
        self.clip = family.tunings[name].clip
        self.update = OptimizerUpdate(optimizer, own)
        trained = sum(parameter.requires_grad for parameter in family.parameters())
        self.inputs = None if len(family.players) == 1 and len(self.own) == trained else self.own
        """Whose gradient is wanted; None where the loss reaches no other's parameters."""
        self.loss: Callable[[str, Batch, Noise], Loss] = family.loss
        self.compiled: float | None = None
        """Seconds that compiling took, where it was asked for."""
        self.parts = 1
        """Equal parts of a batch whose gradients are added, one after the other: less memory, and the same step."""
        self.graph: Callable[[Batch, Noise], Stepped] | None = None
        """The CUDA graph that takes the step instead."""
        self.records = True
        self.why_not: str | None = None
        self.recording: Recording | None = None
        self.count, self.due, self.began = 0, RECORDED_AT, 0.0

    def __call__(self, batch: Batch, noise: Noise) -> Stepped:
        """Take the step. Return its terms with the total, which may still have a graph, and stats."""
        if self.graph is not None:
            return self.graph(batch, noise)
        self.count += 1
        if self.count >= self.due and self.records:
            return self._compared(batch, noise)
        if self.recording is None or not self.recording.fits(batch, noise):
            return self.by_autograd(batch, noise)
        # gradients that are born in inference mode are for the update alone: another optimiser may keep them
        with torch.inference_mode() if self.update.direct else torch.no_grad():
            grads, terms, stats = self.recording(batch, noise)
            self.apply(grads)
        return terms, stats

    def by_autograd(self, batch: Batch, noise: Noise) -> Stepped:
        """Take the step as it is without a recording or a graph."""
        if self.count == self.due // 2:
            self.began = time.perf_counter()
        began = time.perf_counter()
        grads, terms, stats = self.gradient(batch, noise)
        if self.compiled == 0.0:
            self.compiled = time.perf_counter() - began
        if world()[1] > 1:
            average_over_processes([grad for grad in grads if grad is not None] + list(stats.values()))
        self.apply(grads)
        return terms, stats

    def compile(self) -> None:
        """Has loss and gradient compiled at the next step, as `torch.compile` does by default."""
        self.loss, self.records, self.compiled = torch.compile(self.loss, dynamic=False), False, 0.0

    def gradient(self, batch: Batch, noise: Noise) -> Gradient:
        for parameter in self.own:
            parameter.grad = None
        if self.parts == 1:
            terms, stats = self.backward(batch, noise)
        else:
            each = [self.backward(*part) for part in divided(batch, noise, self.parts)]
            terms, stats = joined_terms([part[0] for part in each]), mean_stats([part[1] for part in each])
        return [parameter.grad for parameter in self.own], terms, stats

    def backward(self, batch: Batch, noise: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Add a part's share to the gradients. Returns its terms, with the total, and stats."""
        with frozen_statistics(self.others) if self.others else nullcontext():
            loss = self.loss(self.name, batch, noise)
        (loss.total if self.parts == 1 else loss.total / self.parts).backward(inputs=self.inputs)
        return {**loss.terms, TOTAL: loss.total}, loss.stats

    def apply(self, grads: list[Tensor | None]) -> None:
        if self.clip is not None:
            for parameter, grad in zip(self.own, grads, strict=True):
                parameter.grad = grad
            torch.nn.utils.clip_grad_norm_(self.own, self.clip)
        self.update(grads)

    # Recording ---------------------------------------------------------------------------------------------------------

    def _compared(self, batch: Batch, noise: Noise) -> Stepped:
        """By autograd, beside a recording that is new or has been used for as long as all before."""
        new, self.due = self.recording is None, 2 * self.due
        if new and not self._record(batch, noise):
            self.records = False
            return self.by_autograd(batch, noise)
        assert self.recording is not None
        if not self.recording.fits(batch, noise):
            return self.by_autograd(batch, noise)
        buffers = list(self.family.buffers())
        before = [buffer.clone() for buffer in buffers]
        with torch.no_grad(), forked(batch.x.device):
            replayed = self.recording(batch, noise)
        after = [buffer.clone() for buffer in buffers]
        with torch.no_grad():
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)
        found = self.gradient(batch, noise)
        if not (same(found, replayed) and same(buffers, after)):
            if not new:
                raise PushforwardError(
                    f"{type(self.family).__name__}.loss of {self.name} is no function of parameters, buffers, batch and noise "
                    "alone: what Python decides in it has changed since it was recorded; use trainer.record=false"
                )
            self.recording, self.records, self.why_not = None, False, "a recording gives other numbers"
        self.apply(found[0])
        return found[1:]

    def _record(self, batch: Batch, noise: Noise) -> bool:
        seconds = (time.perf_counter() - self.began) / (self.count - self.count // 2)
        if world()[1] > 1 or seconds > SLOW:
            return False
        try:
            with frozen_statistics(self.others), forked(batch.x.device):
                self.recording = Recording(self.family, self.name, batch, noise)
        except Exception as error:  # whatever tracing cannot do, autograd can
            self.why_not = (str(error).splitlines() or [type(error).__name__])[0]
        return self.recording is not None


def divided(batch: Batch, noise: Noise, parts: int) -> list[tuple[Batch, Noise]]:
    """A batch and its noise in equal parts."""
    n = len(batch.x) // parts
    cuts = [slice(start, start + n) for start in range(0, n * parts, n)]
    return [
        (batch.map(lambda t, cut=cut: t[cut]), {key: value[cut] for key, value in noise.items()})  # type: ignore[misc]
        for cut in cuts
    ]


def joined_terms(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Terms of equal parts as those of the whole: one after the other per image, else their mean."""
    return {
        key: torch.cat(values) if values[0].ndim else torch.stack(values).mean()
        for key in parts[0]
        for values in [[part[key].detach() for part in parts]]
    }


def mean_stats(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stats of equal parts as those of the whole."""
    return {key: torch.stack([part[key].detach() for part in parts]).mean(0) for key in parts[0]}


def forked(device: torch.device) -> AbstractContextManager[None]:
    """Within it, global generators are not moved for those outside."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def same(found: Any, other: Any) -> bool:
    """Whether nested tensors are equal, bit for bit on a CPU; elsewhere sums may come about in another order."""
    if isinstance(found, dict):
        return found.keys() == other.keys() and all(same(found[key], other[key]) for key in found)
    if isinstance(found, list | tuple):
        return len(found) == len(other) and all(map(same, found, other))
    if found is None or other is None:
        return found is other
    loose = 0.0 if found.device.type == "cpu" else 1e-3
    most = float(found.detach().abs().max()) if loose and found.numel() else 0.0
    return torch.allclose(found.detach(), other, rtol=loose, atol=loose * most, equal_nan=True)


def average_over_processes(tensors: list[Tensor]) -> None:
    """Mean over processes, in place, in one flat all-reduce: a player's gradients with its step's stats."""
    flat = torch.cat([t.detach().flatten() for t in tensors])
    dist.all_reduce(flat)
    flat /= world()[1]
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.detach().copy_(part.view_as(tensor))
