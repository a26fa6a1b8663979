"""The training stream: which images a batch holds, a function of (seed, block), and how they get to the device."""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pushforward.data.augmentation import FlipAndCrop
from pushforward.data.prepare import Preparation
from pushforward.data.sources.base import Lazy, gather
from pushforward.errors import PushforwardError
from pushforward.seeds import generator
from pushforward.spec import BLOCK, Batch, Block


class Order:
    """The epochs' permutations laid end to end; epoch e's is the argsort of uniforms of the stream ("order", e)."""

    def __init__(self, n: int, seed: int, device: torch.device | str = "cpu") -> None:
        self.n, self.seed, self.device = n, seed, device
        self._kept: dict[int, Tensor] = {}

    def epoch(self, e: int) -> Tensor:
        if e not in self._kept:
            uniforms = torch.rand(self.n, dtype=torch.float64, generator=generator("cpu", self.seed, "order", e))
            if len(self._kept) > 1:
                del self._kept[min(self._kept)]
            self._kept[e] = uniforms.argsort(stable=True).to(self.device)
        return self._kept[e]

    def take(self, start: int, stop: int) -> Tensor:
        """The images at stream positions start..stop, (stop − start,)."""
        parts = []
        while start < stop:
            e, offset = divmod(start, self.n)
            parts.append(self.epoch(e)[offset : offset + stop - start])
            start += len(parts[-1])
        return parts[0] if len(parts) == 1 else torch.cat(parts)


@dataclass(frozen=True)
class Layout:
    """The division of the stream: batches of `batch_size` over all ranks, `per_cycle` a cycle, BLOCK cycles a block.

    cycles: of the whole budget; None means as many blocks as one pass over the n images needs.
    """

    n: int
    batch_size: int
    per_cycle: int = 1
    cycles: int | None = None
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.batch_size % self.world:
            raise PushforwardError(
                f"batch_size={self.batch_size} is the global batch and must divide by the {self.world} processes: "
                f"use {self.batch_size // self.world * self.world or self.world}."
            )

    @property
    def local(self) -> int:
        return self.batch_size // self.world

    @property
    def blocks(self) -> int:
        """Blocks of the budget, or of one pass."""
        if self.cycles is not None:
            return -(-self.cycles // BLOCK)
        return -(-self.n // (self.batch_size * self.per_cycle * BLOCK))

    def batches(self, block: int) -> int:
        """Batches in a block: the last of a budget may have fewer."""
        cycles = BLOCK if self.cycles is None else min(BLOCK, self.cycles - block * BLOCK)
        return cycles * self.per_cycle

    def index(self, order: Order, block: int) -> Tensor:
        """This rank's images in a block, (batches, local)."""
        start = block * BLOCK * self.per_cycle * self.batch_size
        taken = order.take(start, start + self.batches(block) * self.batch_size)
        return taken.view(-1, self.batch_size)[:, self.rank * self.local : (self.rank + 1) * self.local]


def gather_block(x: Tensor | Lazy, y: Tensor | None, index: Tensor) -> Batch:
    """Levels (*index.shape, *shape) and labels, of `index`'s shape, of these images."""
    flat = index.flatten()
    rows = Batch(gather(x, flat), None if y is None else y[flat])
    return rows.map(lambda t: t.view(*index.shape, *t.shape[1:]))


def ahead(blocks: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """Pinned blocks on a GPU; each is copied there, on a stream of its own, while the one before it is trained on."""
    copying, moved = torch.cuda.Stream(device), deque[tuple[Batch, torch.cuda.Event]]()

    def arrived() -> Batch:
        batch, done = moved.popleft()
        here = torch.cuda.current_stream(device)
        here.wait_event(done)
        for tensor in batch.named().values():
            tensor.record_stream(here)  # its memory was made for the other stream
        return batch

    for batch in blocks:
        with torch.cuda.stream(copying):
            moved.append((batch.to(device, non_blocking=True), copying.record_event()))
        if len(moved) > 1:
            yield arrived()
    while moved:
        yield arrived()


class Stream:
    """Blocks of prepared training batches from block `start` on; iterating continues where it stopped.

    A tensor x is resident: batches are gathered where it lies. A Lazy x is read by `workers` threads, into the same
    blocks, of which each thread has one ahead; they go to a GPU one ahead. Data noise is drawn for a whole block of the
    global batch, from the stream ("data", block), that of an augmentation from ("augmentation", block).

    waited: seconds in which who iterates has waited for images to be gathered, read or decoded.
    """

    def __init__(
        self,
        x: Tensor | Lazy,
        y: Tensor | None,
        layout: Layout,
        preparation: Preparation,
        seed: int,
        start: int = 0,
        device: torch.device | str = "cpu",
        workers: int = 0,
        augmentation: FlipAndCrop | None = None,
    ) -> None:
        self.layout, self.preparation, self.seed, self.device = layout, preparation, seed, torch.device(device)
        self.resident = isinstance(x, Tensor)
        self.x: Tensor | Lazy = x.to(self.device) if isinstance(x, Tensor) else x
        self.y = y.to(self.device) if y is not None and self.resident else y
        self.start = self.block = start
        self.workers, self.augmentation = workers, augmentation
        self.waited = 0.0
        self.order = Order(layout.n, seed, self.device)

    def __len__(self) -> int:
        """Blocks to come from `start` to the end of the budget, or of one pass."""
        return max(0, self.layout.blocks - self.start) if self.layout.cycles is not None else self.layout.blocks

    def __iter__(self) -> Iterator[Block]:
        """The rest of the budget; without one, the rest of this pass, rounded up to whole blocks."""
        blocks = self.layout.blocks
        stop = blocks if self.layout.cycles is not None else (self.block // blocks + 1) * blocks
        numbers = range(self.block, stop)
        raw = self._resident(numbers) if self.resident else self._streamed(numbers)
        if not self.resident and self.device.type == "cuda":
            raw = ahead(raw, self.device)
        for block in numbers:
            began = time.perf_counter()
            batch = next(raw).to(self.device, non_blocking=True)
            self.waited += time.perf_counter() - began
            prepared = replace(batch, x=self._prepare(block, batch.x))
            self.block = block + 1  # before it is handed over: a state saved after its steps points to the next
            yield Block(block, prepared)

    def _resident(self, numbers: range) -> Iterator[Batch]:
        for block in numbers:
            yield gather_block(self.x, self.y, self.layout.index(self.order, block))

    def _streamed(self, numbers: range) -> Iterator[Batch]:
        """Blocks read ahead by threads.

        Decoding and rendering leave the interpreter's lock. Processes would hand their blocks over in /dev/shm, which is
        64 MB in a usual container: a block in excess kills them, and the training waits for ever.
        """
        order, coming = Order(self.layout.n, self.seed), deque[Future[Batch]]()

        def read(index: Tensor) -> Batch:
            batch = gather_block(self.x, self.y, index)
            return batch.map(Tensor.pin_memory) if self.device.type == "cuda" else batch

        indices = (self.layout.index(order, block) for block in numbers)
        if not self.workers:
            yield from map(read, indices)
            return
        pool = ThreadPoolExecutor(self.workers)
        try:
            for index in indices:
                coming.append(pool.submit(read, index))
                if len(coming) > self.workers:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, block: int, raw: Tensor) -> Tensor:
        if self.augmentation is not None:
            raw = self.augmentation(raw, self.places(self.augmentation, block, len(raw)))
        return self.preparation(raw, self.noise(block, len(raw)))

    def noise(self, block: int, m: int) -> tuple[Tensor, ...]:
        """The noise of preparing the block's first m batches, each (m, n, *shape)."""
        drawn = self.preparation.noise(self.images, generator(self.device, self.seed, "data", block))
        return tuple(self._mine(u, m) for u in drawn)

    def places(self, augmentation: FlipAndCrop, block: int, m: int) -> Tensor:
        """The noise of augmenting the block's first m batches, (m, n, …)."""
        drawn = augmentation.draw(self.images, generator(self.device, self.seed, "augmentation", block))
        return self._mine(drawn, m)

    @property
    def images(self) -> int:
        """Images of a whole block's global batches."""
        return BLOCK * self.layout.per_cycle * self.layout.batch_size

    def _mine(self, drawn: Tensor, m: int) -> Tensor:
        """This rank's part of what was drawn for each image of the block's first m batches."""
        layout = self.layout
        mine = slice(layout.rank * layout.local, (layout.rank + 1) * layout.local)
        return drawn.view(-1, layout.batch_size, *drawn.shape[1:])[:m, mine]

    def state_dict(self) -> dict[str, int]:
        return {"block": self.block}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.block = state["block"]
