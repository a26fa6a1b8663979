"""Counts of labels and pixels: against numpy, the same over batches and processes."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from pushforward.errors import PushforwardError
from pushforward.metrics.histograms import PixelHistogram, label_entropy, shares

LEVELS = 5


def images(n: int = 50, seed: int = 0) -> torch.Tensor:
    """Levels (n, 2, 3, 4) whose spread differs by position; the first position is constant."""
    g = torch.Generator().manual_seed(seed)
    most = torch.arange(24).remainder(LEVELS).view(2, 3, 4) + 1
    return (torch.rand(n, 2, 3, 4, generator=g) * most).to(torch.uint8)


def histogram(*parts: torch.Tensor) -> PixelHistogram:
    found = PixelHistogram(24, LEVELS)
    for part in parts:
        found.update(part)
    return found


def test_pixel_entropies_against_scipy() -> None:
    x = images()
    counts = np.stack([np.bincount(column, minlength=LEVELS) for column in x.flatten(1).numpy().T])
    found = histogram(x).compute()
    assert float(found["marginal"]) == pytest.approx(scipy.stats.entropy(counts, axis=1, base=2).mean(), abs=1e-12)
    assert float(found["pooled"]) == pytest.approx(scipy.stats.entropy(counts.sum(0), base=2), abs=1e-12)
    assert float(found["pooled"]) > float(found["marginal"])  # by the concavity of entropy


def test_uniform_levels_need_all_bits() -> None:
    every = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    found = PixelHistogram(2, 4)
    found.update(every)
    assert {name: float(value) for name, value in found.compute().items()} == {"marginal": 2, "pooled": 2}


def test_batches_do_not_matter() -> None:
    x = images()
    assert torch.equal(histogram(x).counts, histogram(x[:7], x[7:7], x[7:]).counts)


def test_code_length_is_the_entropy_and_its_excess() -> None:
    """What a code learnt elsewhere pays is finite for levels it never saw, and no less than the entropy."""
    test, train = histogram(images(50, 1)), histogram(images(5, 2))
    length = float(test.code_length(train))
    q = (train.counts + 0.5) / (5 + 0.5 * LEVELS)
    expected = -(test.counts / 50 * q.log2()).sum(1).mean()
    assert length == pytest.approx(float(expected), rel=1e-6)  # float32 above
    assert math.isfinite(length) and length > float(test.compute()["marginal"])


def test_label_entropy() -> None:
    y = torch.tensor([0, 0, 1, 3])
    assert float(label_entropy(y, unit="bits")) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: histogram(torch.full((1, 2, 3, 4), LEVELS)), "levels 0 … 4"),
        (lambda: histogram(torch.zeros(1, 5, dtype=torch.uint8)), "24 pixels"),
        (lambda: PixelHistogram(2, 2).compute(), "counted nothing"),
        (lambda: shares(torch.zeros(3)), "counted nothing"),
    ],
)
def test_refusals(call, message) -> None:
    with pytest.raises(PushforwardError, match=message):
        call()
