"""A data set ready for a run: split, prepared, and handed out as training blocks and evaluation batches."""

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from torch import Tensor

from pushforward.data.augmentation import FlipAndCrop
from pushforward.data.loader import Layout, Stream
from pushforward.data.prepare import Preparation, binarize_once, evaluate, evaluate_rows
from pushforward.data.sources.base import Arrays, Lazy, Source, Split, View, gather, megabytes
from pushforward.data.splits import classes_note, moments, split_images
from pushforward.domains import Count, Decay, Natural, NonNegative, Seed, Workers
from pushforward.errors import PushforwardError
from pushforward.seeds import generator
from pushforward.spec import Batch, DataSpec

SPLITS = ("train", "val", "test")
SLOW = 2000
"""Images from which on reading them shows a bar."""


@runtime_checkable
class TakesSeveral(Protocol):
    """A module whose cycle takes several batches."""

    batches_per_cycle: int


class ImageCodes(Protocol):
    """A trained encoder and decoder by the name of its run: what makes codes of images, and images of codes."""

    @property
    def run(self) -> str: ...

    def encode(self, x: Tensor) -> Tensor:
        """Codes, (n, *shape), of images in their own unit."""

    def decode(self, codes: Tensor) -> Tensor:
        """Images of codes in their own unit."""


class Origin(ImageCodes, Protocol):
    """A trained encoder and decoder whose codes data are, and the images that it was trained on."""

    @property
    def data(self) -> "DataModule": ...

    def codes(self, split: str) -> Tensor:
        """Codes of a split's images, (n, *shape), in their order."""

    @property
    def levels(self) -> int | None:
        """The values that a place takes, where codes are their numbers; None where they are real-valued."""


class DataModule(pl.LightningDataModule):
    """A source with its batch size, split and preparation.

    validation, test: a count, or a fraction of the source's training images, cut by `split_seed`; each counts only where
    the source has no such split. Equal images stand in one split. limit: so many training images. binarize: "static" draws
    Bernoulli(x) once, by `split_seed`; "dynamic" again for each training batch, from the run's seed. standardize: points
    are shifted and scaled to mean 0 and deviation 1 of the training points. resident_limit_mb: larger splits are read
    batch by batch by `workers` threads. augmentation: of training images as they are shown, and of no others.

    name: what the data are called in tables; None: as their source is.

    A run sets `seed`, and as it needs `cycles` (its budget; None: one pass), `per_cycle` (batches a cycle; None: what
    the Trainer's module says, or 1), `start_block` (where a resumed run continues) and `device` (None: the Trainer's).
    """

    def __init__(
        self,
        source: Source,
        batch_size: Count,
        validation: Natural | Decay,
        test: Natural | Decay = 0.1,
        split_seed: Seed = 0,
        binarize: Literal["static", "dynamic"] | None = None,
        dequantize: bool = False,
        limit: Count | None = None,
        resident_limit_mb: NonNegative = 2000,
        workers: Workers = 2,
        standardize: bool = False,
        augmentation: FlipAndCrop | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__()
        if binarize not in (None, "static", "dynamic"):
            raise PushforwardError(f"data.binarize={binarize} is not known: use null, static or dynamic.")
        self.name = name or source.name
        self.source, self.batch_size, self.validation, self.test = source, batch_size, validation, test
        self.split_seed, self.binarize, self.dequantize, self.limit = split_seed, binarize, dequantize, limit
        self.resident_limit_mb, self.workers, self.standardize = resident_limit_mb, workers, standardize
        self.augmentation = augmentation
        self.seed = 0
        self.per_cycle: int | None = None
        self.cycles: int | None = None
        self.start_block = 0
        self.device: torch.device | str | None = None
        self.origin: Origin | None = None
        """Of codes: where they come from."""
        self._arrays: Arrays | None = None
        self._index: dict[str, Tensor] = {}
        self._moments: tuple[Tensor, Tensor] | None = None
        self._said: list[str] = []
        self._class_shares: tuple[float, ...] = ()
        self._x: dict[str, Tensor | Lazy] = {}
        self._streams: list[Stream] = []

    # -- what there is

    @property
    def arrays(self) -> Arrays:
        """The source's data, loaded once."""
        if self._arrays is None:
            self._arrays = self.source.load()
        return self._arrays

    def prepare_data(self) -> None:
        """Downloads, on one process, what is not there yet."""
        _ = self.arrays

    def setup(self, stage: str | None = None) -> None:
        """Cut the splits and check that they fit together. Idempotent."""
        if self._index:
            return
        arrays, name = self.arrays, self.source.name
        if self.binarize and not math.isfinite(arrays.low):
            raise PushforwardError(f"{name} has points, not pixels: data.binarize must be null.")
        if self.dequantize and arrays.levels is None and not self.binarize:
            raise PushforwardError(f"{name} is real-valued already: data.dequantize must be false.")
        if self.standardize and arrays.log_density is not None:
            raise PushforwardError(f"{name} has a density in its own unit: data.standardize must be false.")
        if self.augmentation is not None:
            self.augmentation.check(name, tuple(arrays.train.x.shape[1:]), math.isfinite(arrays.low))
        cut, self._said = split_images(arrays, name, self.validation, self.test, self.split_seed)
        available = len(cut["train"])
        if self.limit is not None:
            if not 1 <= self.limit <= available:
                raise PushforwardError(
                    f"data.limit={self.limit}: {name} has {available:,} training images; give 1 to so many."
                )
            cut["train"] = cut["train"][: self.limit]
        if self.standardize and not math.isfinite(arrays.low):
            self._moments = moments(gather(arrays.train.x, cut["train"]), name)
        self._index = {split: index.sort().values for split, index in cut.items()}
        y = self.labels("train")
        if y is not None:
            self._class_shares = tuple((torch.bincount(y, minlength=arrays.n_classes or 0) / len(y)).tolist())

    @property
    def notes(self) -> list[str]:
        """Lines on how a user's own data were read, and on anything unusual in the data."""
        self.setup()
        n, of = len(self._index["train"]), "points" if self._moments is not None else "images"
        few = [f"few {of}: each batch of {self.batch_size} shows the {n} there are more than once; see batch_size"]
        if not self.arrays.notes:
            return few * (n < self.batch_size)
        notes = list(self.arrays.notes)
        notes.append(classes_note({s: self.labels(s) for s in SPLITS}, self.arrays.class_names))
        if self._moments is not None:
            notes.append(
                "standardised by the training points: losses are of these, likelihoods and samples of the original unit"
            )
            x = self.tensor("train")
            if flat := int((x == x[0]).all(0).sum()):
                notes.append(f"{flat} of {self.spec.dim} dimensions do not vary, where a density has no bound")
        return notes + self._said + few * (n < self.batch_size)

    @property
    def spec(self) -> DataSpec:
        self.setup()
        arrays = self.arrays
        return DataSpec(
            shape=tuple(arrays.train.x.shape[1:]),
            levels=2 if self.binarize else arrays.levels,
            n_train=len(self._index["train"]),
            n_classes=arrays.n_classes,
            factors=arrays.factor_sizes,
            low=arrays.low,
            high=arrays.high,
            dequantized=self.dequantize,
            shift=() if self._moments is None else tuple(self._moments[0].tolist()),
            scale=() if self._moments is None else tuple(self._moments[1].tolist()),
            class_shares=self._class_shares,
        )

    @property
    def card(self) -> dict[str, Any]:
        """The split and the preparation of the data, for the metrics' cards."""
        self.setup()
        return {
            "data": self.name,
            "splits": {split: len(self._index[split]) for split in SPLITS},
            "split_seed": self.split_seed,
            "levels": self.arrays.levels,
            "binarize": self.binarize,
            "binarize_seed": self.split_seed if self.binarize else None,
            "dequantize": self.dequantize,
            **({} if self._moments is None else {"standardized": True}),
            **({} if self.augmentation is None else {"augmentation": vars(self.augmentation)}),
        }

    @property
    def about(self) -> dict[str, Any]:
        """The part of every card on the data."""
        return {"data": self.card}

    @property
    def images(self) -> "DataModule":
        """The data themselves; of codes, the images that they are of."""
        return self if self.origin is None else self.origin.data

    @property
    def log_density(self) -> Callable[[Tensor], Tensor] | None:
        """The source's exact log p(x), nats, (n, d) -> (n,), or None where it has none."""
        return self.arrays.log_density

    # -- training

    def train_dataloader(self) -> Stream:
        self.setup()
        trainer = self.trainer
        module = trainer.lightning_module if trainer else None
        per_cycle = self.per_cycle or (module.batches_per_cycle if isinstance(module, TakesSeveral) else 1)
        rank, world = self._ranks()
        layout = Layout(len(self._index["train"]), self.batch_size, per_cycle, self.cycles, rank, world)
        device = self.device or (trainer.strategy.root_device if trainer else "cpu")
        x = self._levels("train")
        if isinstance(x, Tensor) and megabytes(x, len(x)) > self.resident_limit_mb:
            x = View(x, torch.arange(len(x)))
        stream = Stream(
            x, self.labels("train"), layout, self._preparation(), self.seed, self.start_block, device, self.workers,
            self.augmentation,
        )  # fmt: skip
        self._streams = [*self._streams, stream]  # a new list: copies of this module have streams of their own
        return stream

    @property
    def waited(self) -> float:
        """Seconds in which training has waited for images to be gathered, read or decoded."""
        return sum(stream.waited for stream in self._streams)

    def _ranks(self) -> tuple[int, int]:
        if self.trainer is not None:
            return self.trainer.global_rank, self.trainer.world_size
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1

    # -- evaluation

    def val_dataloader(self) -> "Batches":
        """Every rank sees the whole validation split."""
        return Batches(self, "val", 1000)

    def test_dataloader(self) -> "Batches":
        return Batches(self, "test", 1000)

    def batches(self, split: str, size: int = 1000, limit: int | None = None) -> Iterator[Batch]:
        """The first `limit` of a split in order, on the CPU, with noise fixed by (split_seed, split, position)."""
        y, x, n = self.labels(split), self._levels(split), self._size(split, limit)
        for start in range(0, n, size):
            rows = torch.arange(start, min(start + size, n))
            prepared = evaluate(self._preparation(), gather(x, rows), start, split, self.split_seed)
            yield Batch(prepared, None if y is None else y[rows])

    def tensor(self, split: str, limit: int | None = None) -> Tensor:
        """A split as one prepared tensor, as `batches` gives it."""
        n = self._size(split, limit)
        return next(self.batches(split, max(n, 1), limit)).x if n else torch.empty(0, *self.spec.shape)

    def large(self, split: str) -> bool:
        """Whether a split's prepared images take more memory than data are to take."""
        return 4e-6 * self._size(split, None) * self.spec.dim > self.resident_limit_mb

    def rows(self, split: str, rows: Tensor) -> Tensor:
        """The prepared images at some positions of a split, which ascend, as `tensor` has them."""
        return evaluate_rows(self._preparation(), gather(self._levels(split), rows), rows, split, self.split_seed)

    def training_images(self, n: int, seed: int) -> Tensor:
        """n training images chosen by `seed`, as `tensor` has them, all where there are no more, (n, *shape)."""
        order = torch.randperm(self._size("train", None), generator=generator("cpu", seed, "training images"))
        return self.rows("train", order[:n].sort().values)

    def raw_levels(self, split: str, limit: int | None = None, rows: Tensor | None = None) -> Tensor:
        """Levels of pixels (n, c, h, w), uint8, as the source has them: before binarisation and dequantisation.

        Of the first `limit` of a split, or of those at the positions `rows`.
        """
        n = self._size(split, limit)
        if self.arrays.levels is None:
            raise PushforwardError(f"{self.source.name} is real-valued and has no levels.")
        return gather(self._part(split).x, self._index[split][:n] if rows is None else self._index[split][rows])

    def labels(self, split: str) -> Tensor | None:
        """Class labels (n,), int64, or None."""
        y, index = self._part(split).y, self._index[split]
        return None if y is None else y[index]

    def factors(self, split: str) -> Tensor | None:
        """Indices of the generative factors' values (n, k), int64, or None; arrays.factor_values has the values."""
        factors, index = self._part(split).factors, self._index[split]
        return None if factors is None else factors[index]

    def _part(self, split: str) -> Split:
        self.setup()
        if split not in SPLITS:
            raise PushforwardError(f"there is no split {split!r}: use {', '.join(SPLITS)}.")
        own = {"train": None, "val": self.arrays.val, "test": self.arrays.test}[split]
        return self.arrays.train if own is None else own

    def _size(self, split: str, limit: int | None) -> int:
        self._part(split)
        n = len(self._index[split])
        return n if limit is None else min(n, limit)

    def _preparation(self) -> Preparation:
        levels = 2 if self.binarize == "static" else self.arrays.levels
        return Preparation(self.spec, levels, self.binarize == "dynamic")

    def _levels(self, split: str) -> Tensor | Lazy:
        """A split's levels, statically binarised where requested: a tensor where it fits into memory, else read on demand."""
        if split not in self._x:
            x, index = self._part(split).x, self._index[split]
            fits = megabytes(x, len(index)) <= self.resident_limit_mb
            if self.binarize == "static":
                if not fits and isinstance(x, Lazy):
                    raise PushforwardError(
                        f"{self.source.name}: static binarisation needs the {split} split in memory: raise "
                        f"data.resident_limit_mb above {megabytes(x, len(index)):.0f}, or use data.binarize=dynamic."
                    )
                self._x[split] = binarize_once(_read(x, index), self.arrays.levels, split, self.split_seed)
            elif self._moments is not None:
                self._x[split] = self.spec.standardized(gather(x, index))
            else:
                self._x[split] = _read(x, index) if fits else View(x, index)
        return self._x[split]


class Batches:
    """A split's prepared batches, again at every iteration."""

    def __init__(self, data: DataModule, split: str, size: int) -> None:
        self.data, self.split, self.size = data, split, size

    def __len__(self) -> int:
        return -(-self.data.card["splits"][self.split] // self.size)

    def __iter__(self) -> Iterator[Batch]:
        return self.data.batches(self.split, self.size)


def _read(x: Tensor | Lazy, index: Tensor) -> Tensor:
    """The rows `index`, with a bar where images have to be made first."""
    if isinstance(x, Tensor) or len(index) < SLOW:
        return gather(x, index)
    from rich.progress import track

    parts = index.split(500)
    return torch.cat([gather(x, part) for part in track(parts, "reading images", transient=True)])
