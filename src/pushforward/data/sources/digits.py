"""scikit-learn's handwritten digits: 1,797 grey images of 8×8 pixels, embedded, nothing to download."""

from dataclasses import dataclass

import torch

from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.seeds import generator


@dataclass(frozen=True)
class Digits(Source):
    """1,437 training and 360 test images of 17 levels (0..16), cut by a fixed seed. Alpaydin & Kaynak 1998."""

    name = "digits"

    def load(self) -> Arrays:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        x = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
        y = torch.from_numpy(bunch.target).to(torch.int64)
        order = torch.rand(len(x), dtype=torch.float64, generator=generator("cpu", 0, "digits")).argsort()
        train, test = order[:1437].sort().values, order[1437:].sort().values
        return Arrays(
            train=Split(x[train], y[train]),
            test=Split(x[test], y[test]),
            levels=17,
            n_classes=10,
            class_names=tuple(str(k) for k in range(10)),
        )
