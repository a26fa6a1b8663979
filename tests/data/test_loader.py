"""The stream: each image once an epoch, every block a function of (seed, block), the same wherever it is gathered."""

import copy
import time
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pushforward.data import DataModule
from pushforward.data.loader import Layout, Order
from pushforward.data.prepare import uniform
from pushforward.data.sources import Digits, Lazy
from pushforward.errors import PushforwardError
from pushforward.seeds import derive_seed, generator
from pushforward.spec import BLOCK, Batch, Block


def digits(cycles: int | None = None, seed: int = 0, per_cycle: int = 1, start: int = 0, **options: Any) -> DataModule:
    data = DataModule(Digits(), options.pop("batch_size", 48), 180, **options)
    data.cycles, data.seed, data.per_cycle, data.start_block = cycles, seed, per_cycle, start
    return data


def same(a: list[Block], b: list[Block]) -> bool:
    return len(a) == len(b) and all(
        i.index == j.index and torch.equal(i.batch.x, j.batch.x) and torch.equal(i.batch.y, j.batch.y)  # type: ignore[arg-type]
        for i, j in zip(a, b, strict=True)
    )


def test_order_is_the_epochs_permutations_end_to_end() -> None:
    order = Order(10, seed=3)
    taken = torch.cat([order.take(0, 7), order.take(7, 33), order.take(33, 40)])
    for e in range(4):
        uniforms = torch.rand(
            10, dtype=torch.float64, generator=torch.Generator().manual_seed(derive_seed(3, "order", e))
        )
        assert torch.equal(taken[10 * e : 10 * e + 10], uniforms.argsort())
    assert len({tuple(taken[10 * e : 10 * e + 10].tolist()) for e in range(4)}) == 4
    assert len(order._kept) == 2


def test_blocks_hold_the_images_that_the_order_says() -> None:
    data = digits(cycles=40, per_cycle=3)
    blocks = list(data.train_dataloader())
    assert [b.batch.x.shape[0] for b in blocks] == [48, 48, 24] and [b.index for b in blocks] == [0, 1, 2]
    rows = Order(1257, 0).take(0, 120 * 48)
    x, y = data.tensor("train")[rows], data.labels("train")[rows]  # type: ignore[index]
    assert torch.equal(torch.cat([b.batch.x.flatten(0, 1) for b in blocks]), x)
    assert torch.equal(torch.cat([b.batch.y.flatten() for b in blocks]), y)  # type: ignore[union-attr]


def test_data_noise_is_that_of_a_full_block() -> None:
    """A shorter last block has the noise of a full one, cut: a larger budget begins with the same batches."""
    options = {"binarize": "dynamic", "dequantize": True}
    short, long = (list(digits(cycles, **options).train_dataloader()) for cycles in (20, 32))
    assert torch.equal(short[1].batch.x, long[1].batch.x[:4])
    source = generator("cpu", 0, "data", 1)
    u = uniform((BLOCK * 48, 1, 8, 8), source)
    v = uniform((BLOCK * 48, 1, 8, 8), source)
    grey = list(digits(32).train_dataloader())[1].batch.x.flatten(0, 1)
    assert torch.equal(long[1].batch.x.flatten(0, 1), ((u < grey).float() + v) / 2)


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_equals_resident(workers: int) -> None:
    options: dict[str, Any] = {"cycles": 40, "per_cycle": 2, "binarize": "dynamic"}
    state = torch.get_rng_state()
    streamed = list(digits(**options, resident_limit_mb=0, workers=workers).train_dataloader())
    assert torch.equal(state, torch.get_rng_state())  # the global generator is left alone
    stream = digits(**options).train_dataloader()
    assert stream.resident and same(streamed, list(stream))


def test_streaming_takes_no_process_and_no_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for a /dev/shm of no bytes: nothing asks for it, so no size of it is too small, and no worker can die."""
    import multiprocessing.process

    def refused(*_: Any, **__: Any) -> None:
        raise OSError("no space left on /dev/shm")

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refused)
    monkeypatch.setattr(torch.UntypedStorage, "_share_memory_lock_protected", refused, raising=False)
    for name in ("_new_shared", "_share_fd_cpu_", "_share_filename_cpu_", "_new_using_fd_cpu"):
        monkeypatch.setattr(torch.UntypedStorage, name, refused)
    assert len(list(digits(40, resident_limit_mb=0, workers=3).train_dataloader())) == 3


def test_an_error_ends_the_stream_and_a_left_stream_ends_its_threads() -> None:
    import threading

    data = digits(160, resident_limit_mb=0, workers=2)
    iterator = iter(data.train_dataloader())
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    stream = data.train_dataloader()

    def broken(_: Tensor) -> Tensor:
        raise PushforwardError("07.png cannot be read")

    stream.x.gather = broken  # type: ignore[union-attr, method-assign]
    with pytest.raises(PushforwardError, match=r"^07\.png cannot be read$"):
        list(stream)
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join(10)
            assert not thread.is_alive()


def test_a_run_goes_on_where_it_stopped() -> None:
    whole = list(digits(70, binarize="dynamic").train_dataloader())
    first = digits(70, binarize="dynamic").train_dataloader()
    iterator = iter(first)
    taken = [next(iterator), next(iterator)]
    state = first.state_dict()
    assert state == {"block": 2}
    second = digits(70, binarize="dynamic").train_dataloader()
    second.load_state_dict(state)
    assert same(whole, taken + list(second))
    resumed = digits(70, binarize="dynamic", start=2).train_dataloader()
    assert len(resumed) == 3 and same(whole[2:], list(resumed))
    assert not same(whole, list(digits(70, seed=1, binarize="dynamic").train_dataloader()))


def test_without_a_budget_each_pass_goes_on_from_the_last() -> None:
    stream = digits().train_dataloader()
    assert len(stream) == 2  # 1257 / (48 · 16), rounded up
    passes = [list(stream), list(stream)]
    assert [[b.index for b in p] for p in passes] == [[0, 1], [2, 3]]
    assert same(passes[0] + passes[1], list(digits(64).train_dataloader()))


def test_ranks_share_the_global_batch() -> None:
    whole = list(digits(20, binarize="dynamic").train_dataloader())
    parts = []
    for rank in range(3):
        data = digits(20, binarize="dynamic")
        data._ranks = lambda rank=rank: (rank, 3)  # type: ignore[method-assign, misc]
        parts.append(list(data.train_dataloader()))
    for number, block in enumerate(whole):
        assert torch.equal(block.batch.x, torch.cat([p[number].batch.x for p in parts], 1))
        assert torch.equal(block.batch.y, torch.cat([p[number].batch.y for p in parts], 1))  # type: ignore[arg-type]
    with pytest.raises(PushforwardError, match="must divide by the 5 processes: use 45"):
        Layout(n=100, batch_size=48, world=5)


class Mean(pl.LightningModule):
    """The smallest module that trains on blocks: it learns the mean image."""

    batches_per_cycle = 2

    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(1, 8, 8))
        self.seen: list[int] = []
        self.validated = 0

    def training_step(self, block: Block, _: int) -> Tensor:
        self.seen.append(block.index)
        assert block.batch.x.shape[0] == 2 * BLOCK
        return (block.batch.x - self.mean).square().mean()

    def validation_step(self, batch: Batch, _: int) -> None:
        self.validated += len(batch.x)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=10.0)


def test_stock_trainer_fits(tmp_path: Any) -> None:
    data, model = digits(batch_size=24), Mean()
    data.per_cycle = None  # the module says 2
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, data)
    assert model.seen == [0, 1, 2, 3] and model.validated == 2 * 180


def test_a_block_costs_little() -> None:
    """It is gathered at once, whatever its size: a recomputed permutation or per-image work would be further operations."""
    calls: list[str] = []

    class Counted(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            calls.append(function.__name__)
            return function(*args, **(kwargs or {}))

    counts = []
    for batch_size in (8, 64):
        iterator = iter(digits(16 * 200, batch_size=batch_size).train_dataloader())
        next(iterator)
        calls.clear()
        with Counted():
            blocks = list(iterator)
        assert len(blocks) == 199
        epochs = 200 * 16 * batch_size / 1257
        assert epochs - 1 <= calls.count("argsort") <= epochs + 1, "a permutation an epoch"
        counts.append(len(calls))
    assert max(counts) <= 199 * 30 and counts[1] - counts[0] <= 15 * 200 * 16 * 56 / 1257, counts


def test_who_iterates_has_waited_for_what_was_read() -> None:
    """A source that takes 20 ms a block, and a training that takes none: at least the sleep is waited for, in each stream."""

    class Slow(Lazy):
        def __init__(self, x: Tensor) -> None:
            self.x, self.shape = x, tuple(x.shape)

        def gather(self, index: Tensor) -> Tensor:
            time.sleep(0.02)
            return self.x[index]

    data = digits(cycles=32, workers=0)
    data._x["train"] = Slow(data.raw_levels("train"))
    assert data.waited == 0
    twin = copy.copy(data)
    assert len(list(data.train_dataloader())) == 2 and data.waited >= 0.04
    assert twin.waited == 0
