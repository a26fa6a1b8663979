"""Stacked MNIST: three digits as the channels of a colour image, 1,000 modes. Metz, Poole, Pfau & Sohl-Dickstein 2017."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.data.sources.base import Arrays, Lazy, Source, Split
from pushforward.data.sources.idx import MNIST
from pushforward.domains import Count, Seed
from pushforward.seeds import generator


class Stacks(Lazy):
    """Grey images (n, 1, h, w) as channels: image i is made of those at `index[i]`, (m, 3)."""

    def __init__(self, grey: Tensor, index: Tensor) -> None:
        self.grey, self.index = grey, index
        self.shape = (len(index), 3, *grey.shape[2:])

    def gather(self, index: Tensor) -> Tensor:
        return self.grey[self.index[index], 0]


@dataclass(frozen=True)
class StackedMNIST(Source):
    """`n_train` triples of MNIST's training images and `n_test` of its test images, drawn with replacement by `seed`.

    The class of digits a, b, c in red, green and blue is 100 a + 10 b + c.
    """

    n_train: Count
    n_test: Count
    seed: Seed

    name = "stacked_mnist"

    def load(self) -> Arrays:
        digits = MNIST().load()
        assert digits.test is not None
        return Arrays(
            train=self._stacked(digits.train, self.n_train, "train"),
            test=self._stacked(digits.test, self.n_test, "test"),
            levels=256,
            n_classes=1000,
            class_names=tuple(f"{k:03d}" for k in range(1000)),
            channels_of=MNIST.name,
        )

    def _stacked(self, digits: Split, n: int, split: str) -> Split:
        assert isinstance(digits.x, Tensor) and digits.y is not None
        index = torch.randint(len(digits), (n, 3), generator=generator("cpu", self.seed, "stacked mnist", split))
        return Split(Stacks(digits.x, index), digits.y[index] @ torch.tensor([100, 10, 1]))
